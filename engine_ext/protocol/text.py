"""Records as JSON objects, with the names of the schema, for people and for logs.

`{"type": "new_order", "account_id": 1, "side": "buy", ...}`: enum values are lower-case names, bit
sets lists of names, bytes hexadecimal. Fields left out are zero. On the way in, numbers are accepted
wherever names are; on the way out, a number that has no name stays a number. Amounts stay integers:
decimals need an instrument, and `units.py`.
"""

import json
from collections.abc import Mapping
from enum import IntFlag
from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.errors import MalformedRecord

_TYPE_FIELDS = ("command_type", "record_type")  # a message type, plain u8 on the wire
_TYPE_BY_NAME = {type_.name.lower(): type_ for type_ in wire.MessageType}


def record_to_object(record: Any) -> dict[str, Any]:
    """The record as what `json.dumps` takes, `type` first and `request_id` only if it is not 0."""
    kind = type(record)
    result: dict[str, Any] = {"type": wire.type_of_record[kind].name.lower()}
    enums = wire.ENUM_FIELDS.get(kind, {})
    for name, value in record._asdict().items():
        if name == "request_id" and value == 0:
            continue
        if name in enums:
            result[name] = _enum_to_text(enums[name], value)
        elif name in _TYPE_FIELDS:
            result[name] = _enum_to_text(wire.MessageType, value)
        elif isinstance(value, bytes):
            result[name] = value.hex()
        elif isinstance(value, tuple):
            result[name] = [_item_to_object(item) for item in value]
        else:
            result[name] = value
    return result


def record_to_line(record: Any) -> str:
    """The record as one line of JSON, without the line's end."""
    return json.dumps(record_to_object(record), ensure_ascii=False, separators=(", ", ": "))


def record_from_object(fields: Mapping[str, Any]) -> Any:
    """The record that the object describes, fit to be encoded.

    Raises MalformedRecord with a sentence that names the field: an unknown type, field or enum name, a
    value of a wrong kind, or one that its field cannot hold.
    """
    type_name = fields.get("type")
    if type_name is None:
        raise MalformedRecord("`type` is missing: say which record this is, such as new_order")
    if not isinstance(type_name, str) or type_name not in _TYPE_BY_NAME:
        raise MalformedRecord(f"unknown type {type_name!r}; known are {', '.join(_TYPE_BY_NAME)}")
    kind = wire.record_of_type[_TYPE_BY_NAME[type_name]]
    enums = wire.ENUM_FIELDS.get(kind, {})
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "type":
            continue
        if name not in kind._fields:
            known = ", ".join(kind._fields)
            raise MalformedRecord(f"{type_name} has no field {name!r}; it has {known}")
        default = kind._field_defaults[name]
        if name in enums:
            values[name] = _enum_from_text(enums[name], value, name)
        elif name in _TYPE_FIELDS:
            values[name] = _enum_from_text(wire.MessageType, value, name)
        elif isinstance(default, bytes):
            values[name] = _bytes_from_text(value, len(default), name)
        elif isinstance(default, tuple):
            values[name] = _items_from_objects(wire.REPEATS[kind], value)
        elif isinstance(default, str):
            if not isinstance(value, str):
                raise MalformedRecord(f"{name} must be a string")
            values[name] = value
        else:
            values[name] = _integer(value, name)
        try:
            kind(**{name: values[name]}).encode()
        except ValueError as error:
            raise MalformedRecord(f"{name}: {value!r} does not fit the field") from error
    return kind(**values)


def record_from_line(line: str) -> Any:
    """The record that one line of JSON describes. Raises MalformedRecord as `record_from_object` does,
    and for text that is not one JSON object or names a key twice.
    """
    try:
        fields = json.loads(line, object_pairs_hook=_object_without_repeats)
    except json.JSONDecodeError as error:
        raise MalformedRecord(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise MalformedRecord("not JSON of a record: nested too deeply") from error
    if not isinstance(fields, dict):
        raise MalformedRecord("a record is a JSON object")
    return record_from_object(fields)


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise MalformedRecord(f"{repeated!r} stands there twice")
    return fields


def _item_to_object(item: Any) -> dict[str, Any]:
    enums = wire.ENUM_FIELDS.get(type(item), {})
    return {
        name: _enum_to_text(enums[name], value) if name in enums else value
        for name, value in item._asdict().items()
    }


def _items_from_objects(repeats: tuple[str, type[Any], int], objects: Any) -> tuple[Any, ...]:
    field, kind, count_max = repeats
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise MalformedRecord(f"{field} must be a list of objects")
    if len(objects) > count_max:
        raise MalformedRecord(f"{field}: at most {count_max}")
    enums = wire.ENUM_FIELDS.get(kind, {})
    items = []
    for fields in objects:
        unknown = fields.keys() - set(kind._fields)
        if unknown:
            known = ", ".join(kind._fields)
            raise MalformedRecord(f"{field} have no field {min(unknown)!r}; they have {known}")
        items.append(
            kind(
                **{
                    name: _enum_from_text(enums[name], value, name)
                    if name in enums
                    else _integer(value, name)
                    for name, value in fields.items()
                }
            )
        )
    return tuple(items)


def _integer(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedRecord(f"{name} must be a whole number")
    return value


def _bytes_from_text(value: Any, size: int, name: str) -> bytes:
    try:
        data = bytes.fromhex(value)
    except (TypeError, ValueError):
        data = b""
    if len(data) != size:
        raise MalformedRecord(f"{name} must be {size} bytes in hexadecimal")
    return data


def _enum_to_text(enum: Any, value: int) -> Any:
    if issubclass(enum, IntFlag):
        names = [flag.name.lower() for flag in enum if value & flag]
        return names if value == sum(flag for flag in enum if value & flag) else value
    return enum(value).name.lower() if value in enum._value2member_map_ else value


def _enum_from_text(enum: Any, value: Any, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    known = {member.name.lower(): int(member) for member in enum}
    is_flags = issubclass(enum, IntFlag)
    chosen = value if isinstance(value, list) and is_flags else [value]
    total = 0
    for item in chosen:
        if not isinstance(item, str) or item not in known:
            raise MalformedRecord(f"{name}: unknown value {item!r}; known are {', '.join(known)}")
        total |= known[item]
    return total
