-- What only some orders have, in a table of its own so that a plain order's row stays short; and the
-- names of the wire's enums, which `tradepit ledger migrate` writes from the program's own.

CREATE TABLE order_terms (
    order_id              bigint PRIMARY KEY,
    display_quantity_lots bigint NOT NULL,    -- iceberg orders
    expire_time_ns        bigint NOT NULL,    -- gtd
    offset_ticks          bigint NOT NULL,    -- trailing stop and pegged orders
    trail_offset_bps      integer NOT NULL,   -- trailing stop orders
    peg_reference         smallint NOT NULL   -- pegged orders
);

CREATE TABLE enum_names (
    enum_name text NOT NULL,
    value     integer NOT NULL,
    name      text NOT NULL,
    PRIMARY KEY (enum_name, value)
);

CREATE FUNCTION name_of(wanted text, number integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT name FROM enum_names WHERE enum_name = wanted AND value = number);

CREATE OR REPLACE VIEW order_differences AS
WITH fills AS (
    SELECT taker_order_id AS order_id, quantity_lots, notional_units, taker_fee_units AS fee_units
    FROM trades
    UNION ALL
    SELECT maker_order_id, quantity_lots, notional_units, maker_fee_units FROM trades
), sums AS (
    SELECT order_id, sum(quantity_lots) AS filled_lots, sum(notional_units) AS notional_units,
           sum(fee_units) AS fee_units
    FROM fills
    GROUP BY order_id
)
SELECT order_id, o.filled_lots AS order_filled_lots, s.filled_lots AS trades_filled_lots, o.status
FROM orders o
FULL JOIN sums s USING (order_id)
WHERE o.order_id IS NULL
   OR o.filled_lots <> coalesce(s.filled_lots, 0)
   OR o.notional_units <> coalesce(s.notional_units, 0)
   OR o.fee_units <> coalesce(s.fee_units, 0)
   OR o.status <> CASE WHEN o.cancel_reason <> 0 THEN 4
                       WHEN o.filled_lots = 0 AND o.status = 6 THEN 6
                       WHEN o.filled_lots = 0 THEN 1
                       WHEN o.filled_lots < o.quantity_lots THEN 2
                       ELSE 3 END;

CREATE OR REPLACE VIEW orders_decimal AS
SELECT o.order_id, o.shard_id, o.account_id, o.client_order_id, i.symbol,
       name_of('Side', o.side) AS side,
       name_of('OrderType', o.order_type) AS order_type,
       name_of('TimeInForce', o.time_in_force) AS time_in_force,
       (o.flags & 1) = 1 AS post_only,
       decimal_of(o.price_ticks::numeric * i.tick_size, i.price_decimals) AS price,
       decimal_of(o.quantity_lots::numeric * i.lot_size_units, base.decimals) AS quantity,
       decimal_of(o.filled_lots::numeric * i.lot_size_units, base.decimals) AS filled_quantity,
       decimal_of(o.notional_units, quote.decimals) AS notional,
       decimal_of(o.fee_units, quote.decimals) AS fees,
       name_of('OrderStatus', o.status) AS status,
       name_of('CancelReason', o.cancel_reason) AS cancel_reason,
       o.created_seq, o.updated_seq,
       time_of(o.created_ns) AS created_at, time_of(o.updated_ns) AS updated_at,
       name_of('SelfTradePrevention', o.self_trade_prevention) AS self_trade_prevention,
       decimal_of(o.trigger_price_ticks::numeric * i.tick_size, i.price_decimals) AS trigger_price,
       decimal_of(t.display_quantity_lots::numeric * i.lot_size_units, base.decimals)
           AS display_quantity,
       time_of(nullif(t.expire_time_ns, 0)) AS expires_at,
       decimal_of(t.offset_ticks::numeric * i.tick_size, i.price_decimals) AS price_offset,
       t.trail_offset_bps,
       name_of('PegReference', t.peg_reference) AS peg_reference
FROM orders o
LEFT JOIN order_terms t USING (order_id)
JOIN instruments i USING (instrument_id)
JOIN assets base ON base.asset_id = i.base_asset_id AND base.shard_id = i.shard_id
JOIN assets quote ON quote.asset_id = i.quote_asset_id AND quote.shard_id = i.shard_id;
