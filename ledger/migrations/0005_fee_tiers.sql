-- Which fees of an instrument an account pays.

ALTER TABLE accounts ADD COLUMN fee_tier smallint NOT NULL DEFAULT 0;
