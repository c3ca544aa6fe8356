"""Takes commands over HTTP: validates their shape, appends them to `order-commands`, answers 202. It decides nothing."""
