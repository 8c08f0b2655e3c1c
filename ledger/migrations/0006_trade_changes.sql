-- Trades that an operator busted or corrected. A trade's own row stays as it was made; each change is
-- a row of its own: the trade as it stands from then on (all 0 once it is busted), and what moved.

CREATE TABLE trade_changes (
    trade_id              bigint NOT NULL,
    seq                   bigint NOT NULL,
    shard_id              integer NOT NULL,
    time_ns               bigint NOT NULL,
    instrument_id         bigint NOT NULL,
    taker_side            smallint NOT NULL,
    maker_account_id      bigint NOT NULL,
    taker_account_id      bigint NOT NULL,
    price_ticks           bigint NOT NULL,
    quantity_lots         bigint NOT NULL,
    notional_units        bigint NOT NULL,
    base_units            bigint NOT NULL,
    maker_fee_units       bigint NOT NULL,
    taker_fee_units       bigint NOT NULL,
    quantity_delta_lots   bigint NOT NULL,
    notional_delta_units  bigint NOT NULL,
    base_delta_units      bigint NOT NULL,
    maker_fee_delta_units bigint NOT NULL,
    taker_fee_delta_units bigint NOT NULL,
    PRIMARY KEY (trade_id, seq)
);

-- Every trade as it stands after its changes.
CREATE VIEW current_trades AS
SELECT t.trade_id, t.shard_id, t.seq, t.time_ns, t.instrument_id, t.taker_side,
       coalesce(c.price_ticks, t.price_ticks) AS price_ticks,
       coalesce(c.quantity_lots, t.quantity_lots) AS quantity_lots,
       coalesce(c.notional_units, t.notional_units) AS notional_units,
       coalesce(c.base_units, t.base_units) AS base_units,
       t.maker_order_id, t.maker_account_id, t.maker_client_order_id,
       coalesce(c.maker_fee_units, t.maker_fee_units) AS maker_fee_units,
       t.taker_order_id, t.taker_account_id, t.taker_client_order_id,
       coalesce(c.taker_fee_units, t.taker_fee_units) AS taker_fee_units,
       CASE WHEN c.trade_id IS NULL THEN 'made' WHEN c.quantity_lots = 0 THEN 'busted'
            ELSE 'corrected' END AS state
FROM trades t
LEFT JOIN LATERAL (
    SELECT * FROM trade_changes WHERE trade_changes.trade_id = t.trade_id ORDER BY seq DESC LIMIT 1
) c ON true;

CREATE OR REPLACE VIEW postings (
    shard_id, seq, entry_kind, entry_id, account_id, asset_id, delta_units
) AS
WITH moves AS (
    SELECT shard_id, seq, 'trade' AS entry_kind, trade_id, instrument_id, taker_side,
           maker_account_id, taker_account_id, notional_units, base_units, maker_fee_units,
           taker_fee_units
    FROM trades
    UNION ALL
    SELECT shard_id, seq, 'trade_change', trade_id, instrument_id, taker_side, maker_account_id,
           taker_account_id, notional_delta_units, base_delta_units, maker_fee_delta_units,
           taker_fee_delta_units
    FROM trade_changes
)
SELECT t.shard_id, t.seq, t.entry_kind, t.trade_id, leg.account_id, leg.asset_id, leg.delta_units
FROM moves t
JOIN instruments i USING (instrument_id)
CROSS JOIN LATERAL (
    SELECT CASE t.taker_side WHEN 1 THEN t.taker_account_id ELSE t.maker_account_id END AS buyer_id,
           CASE t.taker_side WHEN 1 THEN t.maker_account_id ELSE t.taker_account_id END AS seller_id,
           CASE t.taker_side WHEN 1 THEN t.taker_fee_units ELSE t.maker_fee_units END AS buyer_fee,
           CASE t.taker_side WHEN 1 THEN t.maker_fee_units ELSE t.taker_fee_units END AS seller_fee
) party
CROSS JOIN LATERAL (VALUES
    (party.buyer_id, i.base_asset_id, t.base_units),
    (party.seller_id, i.base_asset_id, -t.base_units),
    (party.buyer_id, i.quote_asset_id, -(t.notional_units + party.buyer_fee)),
    (party.seller_id, i.quote_asset_id, t.notional_units - party.seller_fee),
    (0, i.quote_asset_id, t.maker_fee_units + t.taker_fee_units)
) leg (account_id, asset_id, delta_units)
UNION ALL
SELECT t.shard_id, t.seq, 'transfer', t.transfer_id, leg.account_id, t.asset_id, leg.delta_units
FROM transfers t
CROSS JOIN LATERAL (VALUES (t.account_id, t.delta_units), (-1, -t.delta_units))
    leg (account_id, delta_units);

-- Changes that do not continue from the trade, or from the change before. Must be empty.
CREATE VIEW trade_change_differences AS
SELECT c.trade_id, c.seq
FROM trade_changes c
LEFT JOIN trades t USING (trade_id)
LEFT JOIN LATERAL (
    SELECT * FROM trade_changes b WHERE b.trade_id = c.trade_id AND b.seq < c.seq
    ORDER BY b.seq DESC LIMIT 1
) b ON true
WHERE (c.quantity_lots - c.quantity_delta_lots, c.notional_units - c.notional_delta_units,
       c.base_units - c.base_delta_units, c.maker_fee_units - c.maker_fee_delta_units,
       c.taker_fee_units - c.taker_fee_delta_units, c.instrument_id, c.taker_side,
       c.maker_account_id, c.taker_account_id)
  IS DISTINCT FROM
      (coalesce(b.quantity_lots, t.quantity_lots), coalesce(b.notional_units, t.notional_units),
       coalesce(b.base_units, t.base_units), coalesce(b.maker_fee_units, t.maker_fee_units),
       coalesce(b.taker_fee_units, t.taker_fee_units), t.instrument_id, t.taker_side,
       t.maker_account_id, t.taker_account_id);

-- A busted trade counts no more; `seq` is that of the last trade or change.
CREATE OR REPLACE VIEW position_differences AS
WITH moves AS (
    SELECT taker_account_id, maker_account_id, instrument_id, seq, taker_side, quantity_lots,
           notional_units, taker_fee_units, maker_fee_units, 1 AS trade_count
    FROM trades
    UNION ALL
    SELECT taker_account_id, maker_account_id, instrument_id, seq, taker_side, quantity_delta_lots,
           notional_delta_units, taker_fee_delta_units, maker_fee_delta_units,
           CASE WHEN quantity_lots = 0 THEN -1 ELSE 0 END
    FROM trade_changes
), fills AS (
    SELECT taker_account_id AS account_id, instrument_id, seq, taker_side AS side, quantity_lots,
           notional_units, taker_fee_units AS fee_units, trade_count
    FROM moves
    UNION ALL
    SELECT maker_account_id, instrument_id, seq, 3 - taker_side, quantity_lots, notional_units,
           maker_fee_units, trade_count
    FROM moves
), sums AS (
    SELECT account_id, instrument_id,
           coalesce(sum(quantity_lots) FILTER (WHERE side = 1), 0) AS bought_lots,
           coalesce(sum(quantity_lots) FILTER (WHERE side = 2), 0) AS sold_lots,
           coalesce(sum(notional_units) FILTER (WHERE side = 1), 0) AS bought_notional_units,
           coalesce(sum(notional_units) FILTER (WHERE side = 2), 0) AS sold_notional_units,
           sum(fee_units) AS fee_units, sum(trade_count) AS trade_count, max(seq) AS seq
    FROM fills
    GROUP BY account_id, instrument_id
)
SELECT account_id, instrument_id, p.seq AS position_seq, s.seq AS trades_seq
FROM positions p
FULL JOIN sums s USING (account_id, instrument_id)
WHERE (p.bought_lots, p.sold_lots, p.bought_notional_units, p.sold_notional_units, p.fee_units,
       p.trade_count, p.seq)
  IS DISTINCT FROM
      (s.bought_lots, s.sold_lots, s.bought_notional_units, s.sold_notional_units, s.fee_units,
       s.trade_count, s.seq);
