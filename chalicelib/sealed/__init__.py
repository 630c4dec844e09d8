"""An archive that is compressed as a whole (sealed): its content is known when it has passed (docs/decisions/0017)."""
