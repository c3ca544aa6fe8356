"""What can be away while this process runs on. Raised where the network ends, caught by code that can wait or report it:

    Away                   a part that the service stands on can't be used now; its text says which part, and what to do
    ├── BrokerAway         no broker is configured, none answers, or it refuses
    ├── DatabaseAway       no PostgreSQL is configured, or none answers
    └── LogUnreadable      the log is not what it must be: it has a hole, begins later, or ends too early

A failure of a client library leaves `infra` as one of these: `infra/kafka/clients.py` and `infra/postgres/connections.py` turn them.
"""


class Away(Exception):
    """A part that the service stands on can't be used now. The text is for an operator, and holds no password."""


class BrokerAway(Away):
    """No broker is configured, none answers, or it refuses."""


class DatabaseAway(Away):
    """No PostgreSQL is configured, its URL can't be read, or none answers."""


class LogUnreadable(Away):
    """The log is not what it must be: a hole, a missing beginning, or an end before it should. The text says where."""
