"""The plugin host: who is installed, what was asked for by name, who listens, which versions were used."""
