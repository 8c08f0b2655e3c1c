-- Stop orders: their trigger price, and the status of those that wait for it.

ALTER TABLE orders ADD COLUMN trigger_price_ticks bigint NOT NULL DEFAULT 0;  -- 0 = not a stop order

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
                       WHEN o.filled_lots = 0 AND o.status = 6 AND o.trigger_price_ticks > 0 THEN 6
                       WHEN o.filled_lots = 0 THEN 1
                       WHEN o.filled_lots < o.quantity_lots THEN 2
                       ELSE 3 END;

CREATE OR REPLACE VIEW orders_decimal AS
SELECT o.order_id, o.shard_id, o.account_id, o.client_order_id, i.symbol,
       CASE o.side WHEN 1 THEN 'buy' ELSE 'sell' END AS side,
       CASE o.order_type WHEN 1 THEN 'limit' WHEN 2 THEN 'market' WHEN 3 THEN 'stop'
                         ELSE 'stop_limit' END AS order_type,
       CASE o.time_in_force WHEN 1 THEN 'gtc' WHEN 2 THEN 'ioc' ELSE 'fok' END AS time_in_force,
       (o.flags & 1) = 1 AS post_only,
       decimal_of(o.price_ticks::numeric * i.tick_size, i.price_decimals) AS price,
       decimal_of(o.quantity_lots::numeric * i.lot_size_units, base.decimals) AS quantity,
       decimal_of(o.filled_lots::numeric * i.lot_size_units, base.decimals) AS filled_quantity,
       decimal_of(o.notional_units, quote.decimals) AS notional,
       decimal_of(o.fee_units, quote.decimals) AS fees,
       CASE o.status WHEN 1 THEN 'open' WHEN 2 THEN 'partially_filled' WHEN 3 THEN 'filled'
                     WHEN 6 THEN 'waiting' ELSE 'canceled' END AS status,
       CASE o.cancel_reason WHEN 1 THEN 'requested' WHEN 2 THEN 'mass_cancel'
                            WHEN 3 THEN 'ioc_remainder' WHEN 4 THEN 'fill_limit'
                            WHEN 5 THEN 'self_trade' WHEN 6 THEN 'account_suspended'
                            END AS cancel_reason,
       o.created_seq, o.updated_seq,
       time_of(o.created_ns) AS created_at, time_of(o.updated_ns) AS updated_at,
       CASE o.self_trade_prevention WHEN 0 THEN 'none' WHEN 1 THEN 'cancel_newest'
                                    WHEN 2 THEN 'cancel_oldest' WHEN 3 THEN 'cancel_both'
                                    ELSE 'decrement_and_cancel' END AS self_trade_prevention,
       decimal_of(o.trigger_price_ticks::numeric * i.tick_size, i.price_decimals) AS trigger_price
FROM orders o
JOIN instruments i USING (instrument_id)
JOIN assets base ON base.asset_id = i.base_asset_id AND base.shard_id = i.shard_id
JOIN assets quote ON quote.asset_id = i.quote_asset_id AND quote.shard_id = i.shard_id;
