"""The reference model's allocation pro rata (see reference.py)."""


def allocate(open_lots: list[int], lots: int) -> list[int]:
    """How many of `lots` each order of a level trades, in order of age: the oldest what it can, the
    others a share by their size, rounded down, and what rounding leaves the oldest of them.
    """
    top, *others = open_lots
    shares = [min(lots, top)]
    shared = min(lots - shares[0], sum(others))
    shares += [shared * size // sum(others) for size in others]
    left = shared - sum(shares[1:])
    for index, size in enumerate(others, start=1):
        extra = min(left, size - shares[index])
        shares[index] += extra
        left -= extra
    return shares
