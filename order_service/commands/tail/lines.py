"""An event of the feed as one line for people. Pure."""

from datetime import datetime
from typing import Any

from rich.text import Text

STYLES = {"OrderCreated": "green", "OrderShipped": "cyan", "OrderCancelled": "yellow", "CommandRejected": "bold red"}


def event_line(event: dict[str, Any]) -> Text:
    """Local time, type, start of the order's id, version, customer, and what matters of this type; rejections stand out in red."""
    rejected = event["type"] == "CommandRejected"
    line = Text(no_wrap=True, end="")
    line.append(local_time(event["occurred_at"]), "dim")
    line.append(f"  {printable(event['type']):15}", STYLES.get(event["type"], ""))
    line.append(f"  {str(event['order_id'])[:8]}", "bold")
    line.append(f" v{event['version']:<3}", "dim")
    line.append(f"  {printable(event['data'].get('customer_id') or '-'):12}")
    line.append(f"  {printable(what_matters(event))}", "red" if rejected else "")
    return line


def what_matters(event: dict[str, Any]) -> str:
    """The part of an event that people want to know."""
    data = event["data"]
    match event["type"]:
        case "OrderCreated":
            return f"{data['total']} {data['currency']}, {data['units']} units"
        case "OrderShipped":
            return str(data["tracking_number"])
        case "OrderCancelled":
            return f"{data['reason']} (-{data['total']} {data['currency']})"
        case "CommandRejected":
            return f"{data['command_type']} refused: {data['code']}, {data['detail']}"
        case _:
            return "of a later release than this one"


def local_time(moment: str) -> str:
    """A time as the clock on the wall shows it, to the second."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def printable(text: object) -> str:
    """Whoever wrote the record chose this text, and a terminal obeys control characters."""
    return "".join(character if character.isprintable() else "?" for character in str(text))
