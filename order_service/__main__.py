"""`python -m order_service` is the command line."""

from order_service.cli import main

if __name__ == "__main__":
    main()
