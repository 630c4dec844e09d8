"""AWS on this machine: an embedded, strict stand-in for the services that Transship uses."""
