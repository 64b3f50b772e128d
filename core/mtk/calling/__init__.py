"""How the framework calls a plugin's code: with the arguments that it names, and with every failure named."""
