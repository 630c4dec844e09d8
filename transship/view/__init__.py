"""What people see: tables, trees and progress bars, all on standard error; nothing here decides anything."""
