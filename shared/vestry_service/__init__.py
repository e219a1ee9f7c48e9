"""What both vestry services stand on: settings, logging, metrics, errors, health and stores."""
