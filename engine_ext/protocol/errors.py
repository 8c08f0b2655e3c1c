"""The exceptions of Tradepit.

    TradepitError
    +-- MalformedRecord     bytes that are not a record of this protocol
    +-- InvalidDecimal      text that is not a price or a quantity of the instrument
    +-- Unreachable         a server did not answer in time, and nothing was sent
    +-- OutcomeUnknown      a request was sent and no answer came: ask by client_order_id
    +-- Refused             a request was refused; carries the reason
    +-- ConfigurationError  a setting or a machine is not fit; the text says how to mend it
    +-- JournalDamaged      a journal that must not be opened; names file, offset and seq

Catch the narrowest that something can be done about.
"""


class TradepitError(Exception):
    """Everything that this project raises on purpose."""


class MalformedRecord(TradepitError):
    """Bytes that are not a record of this protocol."""


class InvalidDecimal(TradepitError):
    """Text that is not a price or a quantity of the instrument; `rule` says which rule it breaks."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class Unreachable(TradepitError):
    """A server did not answer in time, and nothing was sent that could take effect."""


class OutcomeUnknown(TradepitError):
    """A request was sent and no answer came in time. It may have taken effect: ask for the order by
    client_order_id, or send it again under the same one, which counts once.
    """


class Refused(TradepitError):
    """A request was refused. `reason` is a value of `wire.Reason`; where one order of a list is the
    cause, `index` says which, from 0.
    """

    def __init__(self, reason: int, text: str, index: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.index = index


class ConfigurationError(TradepitError):
    """A setting or a machine is not fit for the job; the text says how to mend it."""


class JournalDamaged(TradepitError):
    """A journal that must not be opened: the text names file, offset and seq."""
