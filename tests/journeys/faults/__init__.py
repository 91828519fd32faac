"""The service on its worst day: what breaks it (proxy, parts, disasters), what it is fed (load), what must come of it (judge)."""
