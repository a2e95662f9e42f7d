"""Laws for whoever writes the next knob, journal, benchmark or observer; nothing but tests imports it."""
