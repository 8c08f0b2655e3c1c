"""A load of orders from any number of processes, and the sum of what they measured.

`python -m tradepit.tools.load run` sends orders at a fixed rate over ZeroMQ and prints one line of JSON;
`python -m tradepit.tools.load add --expect N` reads N such lines and prints what they are together.
"""
