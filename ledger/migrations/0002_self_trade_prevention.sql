-- What an order does where it meets its own trade group, and which accounts are one trade group.

ALTER TABLE accounts ADD COLUMN trade_group bigint NOT NULL DEFAULT 0;  -- 0 = the account alone

ALTER TABLE orders ADD COLUMN self_trade_prevention smallint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW orders_decimal AS
SELECT o.order_id, o.shard_id, o.account_id, o.client_order_id, i.symbol,
       CASE o.side WHEN 1 THEN 'buy' ELSE 'sell' END AS side,
       CASE o.order_type WHEN 1 THEN 'limit' ELSE 'market' END AS order_type,
       CASE o.time_in_force WHEN 1 THEN 'gtc' WHEN 2 THEN 'ioc' ELSE 'fok' END AS time_in_force,
       (o.flags & 1) = 1 AS post_only,
       decimal_of(o.price_ticks::numeric * i.tick_size, i.price_decimals) AS price,
       decimal_of(o.quantity_lots::numeric * i.lot_size_units, base.decimals) AS quantity,
       decimal_of(o.filled_lots::numeric * i.lot_size_units, base.decimals) AS filled_quantity,
       decimal_of(o.notional_units, quote.decimals) AS notional,
       decimal_of(o.fee_units, quote.decimals) AS fees,
       CASE o.status WHEN 1 THEN 'open' WHEN 2 THEN 'partially_filled' WHEN 3 THEN 'filled'
                     ELSE 'canceled' END AS status,
       CASE o.cancel_reason WHEN 1 THEN 'requested' WHEN 2 THEN 'mass_cancel'
                            WHEN 3 THEN 'ioc_remainder' WHEN 4 THEN 'fill_limit'
                            WHEN 5 THEN 'self_trade' END AS cancel_reason,
       o.created_seq, o.updated_seq,
       time_of(o.created_ns) AS created_at, time_of(o.updated_ns) AS updated_at,
       CASE o.self_trade_prevention WHEN 0 THEN 'none' WHEN 1 THEN 'cancel_newest'
                                    WHEN 2 THEN 'cancel_oldest' WHEN 3 THEN 'cancel_both'
                                    ELSE 'decrement_and_cancel' END AS self_trade_prevention
FROM orders o
JOIN instruments i USING (instrument_id)
JOIN assets base ON base.asset_id = i.base_asset_id AND base.shard_id = i.shard_id
JOIN assets quote ON quote.asset_id = i.quote_asset_id AND quote.shard_id = i.shard_id;
