-- The ledger's tables. Integers only: prices in ticks, quantities in lots, money in the smallest
-- unit of its asset, times in nanoseconds since 1970 UTC. Enum columns hold the numbers of
-- engine_ext/protocol/schema.toml. Views named *_decimal show decimals to people.
--
-- There are no foreign keys: the engine has checked every reference, one writer a shard writes in
-- the order of the log, and each key would cost a look-up per row.

-- How far each shard's stream is in these tables. Updated in the transaction that writes the rows,
-- under a condition on seq: that makes every event count once, and fences off a second writer.
CREATE TABLE applied (
    shard_id   integer PRIMARY KEY,
    seq        bigint NOT NULL,   -- last command whose events are in the tables; 0 = none
    stream_seq bigint NOT NULL,   -- JetStream sequence of the message that carried it; a hint, checked
    digest     bigint NOT NULL    -- chain digest at seq: the 64 bits of the u64, read as signed
);

CREATE TABLE assets (
    asset_id bigint NOT NULL,
    shard_id integer NOT NULL,
    symbol   text NOT NULL,
    decimals smallint NOT NULL,
    seq      bigint NOT NULL,
    time_ns  bigint NOT NULL,
    PRIMARY KEY (asset_id, shard_id)
);

CREATE TABLE instruments (
    instrument_id     bigint PRIMARY KEY,  -- an instrument lives on one shard
    shard_id          integer NOT NULL,
    symbol            text NOT NULL,
    base_asset_id     bigint NOT NULL,
    quote_asset_id    bigint NOT NULL,
    tick_size         bigint NOT NULL,      -- one tick, in units of 10^-price_decimals
    price_decimals    smallint NOT NULL,
    lot_size_units    bigint NOT NULL,      -- one lot, in the base asset's smallest unit
    tick_lot_units    bigint NOT NULL,      -- one tick times one lot, in the quote asset's smallest unit
    price_ticks_min   bigint NOT NULL,
    price_ticks_max   bigint NOT NULL,
    quantity_lots_min bigint NOT NULL,
    quantity_lots_max bigint NOT NULL,
    maker_fee_ppm     integer NOT NULL,
    taker_fee_ppm     integer NOT NULL,
    trading_state     smallint NOT NULL,
    seq               bigint NOT NULL,
    time_ns           bigint NOT NULL
);

CREATE TABLE accounts (
    account_id bigint NOT NULL,
    shard_id   integer NOT NULL,
    state      smallint NOT NULL,
    seq        bigint NOT NULL,
    time_ns    bigint NOT NULL,
    PRIMARY KEY (account_id, shard_id)
);

-- Every accepted order in its latest state. Room is left in each page, and no index names a column
-- that changes, so that an update stays in its page (HOT).
CREATE TABLE orders (
    order_id        bigint PRIMARY KEY,
    shard_id        integer NOT NULL,
    account_id      bigint NOT NULL,
    instrument_id   bigint NOT NULL,
    client_order_id bigint NOT NULL,    -- 0 = none
    side            smallint NOT NULL,
    order_type      smallint NOT NULL,
    time_in_force   smallint NOT NULL,
    flags           smallint NOT NULL,
    price_ticks     bigint NOT NULL,    -- 0 for a market order
    quantity_lots   bigint NOT NULL,    -- in all, as last replaced
    filled_lots     bigint NOT NULL,
    notional_units  bigint NOT NULL,    -- filled so far, in the quote asset
    fee_units       bigint NOT NULL,    -- charged so far, in the quote asset
    status          smallint NOT NULL,
    cancel_reason   smallint NOT NULL,  -- 0 = not canceled
    created_seq     bigint NOT NULL,
    updated_seq     bigint NOT NULL,
    created_ns      bigint NOT NULL,
    updated_ns      bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX orders_by_account ON orders (account_id, order_id);

-- One row a trade: both legs and both fees. The fees are in the quote asset and go to account 0.
CREATE TABLE trades (
    trade_id              bigint PRIMARY KEY,
    shard_id              integer NOT NULL,
    seq                   bigint NOT NULL,
    time_ns               bigint NOT NULL,
    instrument_id         bigint NOT NULL,
    taker_side            smallint NOT NULL,
    price_ticks           bigint NOT NULL,
    quantity_lots         bigint NOT NULL,
    notional_units        bigint NOT NULL,
    base_units            bigint NOT NULL,
    maker_order_id        bigint NOT NULL,
    maker_account_id      bigint NOT NULL,
    maker_client_order_id bigint NOT NULL,
    maker_fee_units       bigint NOT NULL,
    taker_order_id        bigint NOT NULL,
    taker_account_id      bigint NOT NULL,
    taker_client_order_id bigint NOT NULL,
    taker_fee_units       bigint NOT NULL
);
CREATE INDEX trades_by_maker ON trades (maker_account_id, trade_id);
CREATE INDEX trades_by_taker ON trades (taker_account_id, trade_id);

-- Credits (positive) and debits (negative).
CREATE TABLE transfers (
    shard_id    integer NOT NULL,
    seq         bigint NOT NULL,
    time_ns     bigint NOT NULL,
    account_id  bigint NOT NULL,
    asset_id    bigint NOT NULL,
    delta_units bigint NOT NULL,
    transfer_id bigint NOT NULL,
    PRIMARY KEY (shard_id, transfer_id)
);
CREATE INDEX transfers_by_account ON transfers (account_id, shard_id, seq);

-- Running sums of the postings. What open orders hold is part of total_units. Account 0 is the
-- house, which collects the fees. An account that uses several shards has a row on each.
CREATE TABLE balances (
    account_id  bigint NOT NULL,
    asset_id    bigint NOT NULL,
    total_units bigint NOT NULL,
    shard_id    integer NOT NULL,
    seq         bigint NOT NULL,  -- last command that changed the row
    PRIMARY KEY (account_id, asset_id, shard_id)
) WITH (fillfactor = 50);

-- Running sums of an account's trades. They only grow, so that a bigint could overflow in a life of
-- trading where no single trade and no balance can: hence numeric, still whole numbers.
CREATE TABLE positions (
    account_id            bigint NOT NULL,
    instrument_id         bigint NOT NULL,
    shard_id              integer NOT NULL,
    bought_lots           numeric(38, 0) NOT NULL,
    sold_lots             numeric(38, 0) NOT NULL,
    bought_notional_units numeric(38, 0) NOT NULL,
    sold_notional_units   numeric(38, 0) NOT NULL,
    fee_units             numeric(38, 0) NOT NULL,
    trade_count           bigint NOT NULL,  -- fills: a trade with oneself counts twice
    seq                   bigint NOT NULL,  -- last command that changed the row
    PRIMARY KEY (account_id, instrument_id)
) WITH (fillfactor = 50);

-- Double entry: who got (+) and gave (-) what. The postings of one entry sum to zero per asset.
-- Account -1 is the world outside, account 0 the house.
CREATE VIEW postings (shard_id, seq, entry_kind, entry_id, account_id, asset_id, delta_units) AS
SELECT t.shard_id, t.seq, 'trade', t.trade_id, leg.account_id, leg.asset_id, leg.delta_units
FROM trades t
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

-- Entries whose postings do not sum to zero. Must be empty.
CREATE VIEW unbalanced_entries AS
SELECT shard_id, seq, entry_kind, entry_id, asset_id, sum(delta_units) AS excess_units
FROM postings
GROUP BY shard_id, seq, entry_kind, entry_id, asset_id
HAVING sum(delta_units) <> 0;

-- Balances that differ from the sum of their postings. Must be empty.
CREATE VIEW balance_differences AS
SELECT shard_id, account_id, asset_id,
       coalesce(b.total_units, 0) AS balance_units, coalesce(p.total_units, 0) AS postings_units
FROM balances b
FULL JOIN (
    SELECT shard_id, account_id, asset_id, sum(delta_units) AS total_units
    FROM postings WHERE account_id >= 0
    GROUP BY shard_id, account_id, asset_id
) p USING (shard_id, account_id, asset_id)
WHERE coalesce(b.total_units, 0) <> coalesce(p.total_units, 0);

-- Positions that differ from the sum of their trades. Must be empty.
CREATE VIEW position_differences AS
WITH fills AS (
    SELECT taker_account_id AS account_id, instrument_id, seq, taker_side AS side, quantity_lots,
           notional_units, taker_fee_units AS fee_units
    FROM trades
    UNION ALL
    SELECT maker_account_id, instrument_id, seq, 3 - taker_side, quantity_lots, notional_units,
           maker_fee_units
    FROM trades
), sums AS (
    SELECT account_id, instrument_id,
           coalesce(sum(quantity_lots) FILTER (WHERE side = 1), 0) AS bought_lots,
           coalesce(sum(quantity_lots) FILTER (WHERE side = 2), 0) AS sold_lots,
           coalesce(sum(notional_units) FILTER (WHERE side = 1), 0) AS bought_notional_units,
           coalesce(sum(notional_units) FILTER (WHERE side = 2), 0) AS sold_notional_units,
           sum(fee_units) AS fee_units, count(*) AS trade_count, max(seq) AS seq
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

-- Orders that differ from the sum of their trades, or whose status contradicts it. Must be empty.
CREATE VIEW order_differences AS
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
                       WHEN o.filled_lots = 0 THEN 1
                       WHEN o.filled_lots < o.quantity_lots THEN 2
                       ELSE 3 END;

-- `units` with the point moved left by `decimals` places: exact, unlike a division.
CREATE FUNCTION decimal_of(units numeric, decimals smallint) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT units * ('1e-' || decimals)::numeric $$;

CREATE FUNCTION time_of(time_ns bigint) RETURNS timestamptz  -- rounds down to microseconds
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT timestamptz '1970-01-01 00:00:00+00'
           + (time_ns / 1000) * interval '1 microsecond' $$;

CREATE VIEW orders_decimal AS
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
                            WHEN 3 THEN 'ioc_remainder' WHEN 4 THEN 'fill_limit' END AS cancel_reason,
       o.created_seq, o.updated_seq,
       time_of(o.created_ns) AS created_at, time_of(o.updated_ns) AS updated_at
FROM orders o
JOIN instruments i USING (instrument_id)
JOIN assets base ON base.asset_id = i.base_asset_id AND base.shard_id = i.shard_id
JOIN assets quote ON quote.asset_id = i.quote_asset_id AND quote.shard_id = i.shard_id;

CREATE VIEW trades_decimal AS
SELECT t.trade_id, t.shard_id, t.seq, time_of(t.time_ns) AS traded_at, i.symbol,
       CASE t.taker_side WHEN 1 THEN 'buy' ELSE 'sell' END AS taker_side,
       decimal_of(t.price_ticks::numeric * i.tick_size, i.price_decimals) AS price,
       decimal_of(t.base_units, base.decimals) AS quantity,
       decimal_of(t.notional_units, quote.decimals) AS notional,
       t.maker_account_id, t.maker_order_id,
       decimal_of(t.maker_fee_units, quote.decimals) AS maker_fee,
       t.taker_account_id, t.taker_order_id,
       decimal_of(t.taker_fee_units, quote.decimals) AS taker_fee
FROM trades t
JOIN instruments i USING (instrument_id)
JOIN assets base ON base.asset_id = i.base_asset_id AND base.shard_id = i.shard_id
JOIN assets quote ON quote.asset_id = i.quote_asset_id AND quote.shard_id = i.shard_id;

CREATE VIEW balances_decimal AS
SELECT b.account_id, b.shard_id, a.symbol, decimal_of(b.total_units, a.decimals) AS total, b.seq
FROM balances b
JOIN assets a USING (asset_id, shard_id);

CREATE VIEW positions_decimal AS
SELECT p.account_id, p.shard_id, i.symbol,
       decimal_of((p.bought_lots - p.sold_lots) * i.lot_size_units, base.decimals) AS net_quantity,
       decimal_of(p.bought_lots * i.lot_size_units, base.decimals) AS bought,
       decimal_of(p.sold_lots * i.lot_size_units, base.decimals) AS sold,
       decimal_of(p.bought_notional_units, quote.decimals) AS bought_notional,
       decimal_of(p.sold_notional_units, quote.decimals) AS sold_notional,
       decimal_of(p.fee_units, quote.decimals) AS fees,
       p.trade_count, p.seq
FROM positions p
JOIN instruments i USING (instrument_id)
JOIN assets base ON base.asset_id = i.base_asset_id AND base.shard_id = i.shard_id
JOIN assets quote ON quote.asset_id = i.quote_asset_id AND quote.shard_id = i.shard_id;
