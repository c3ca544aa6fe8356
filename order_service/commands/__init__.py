"""One module a command of the command line; `order_service.cli` lists them."""
