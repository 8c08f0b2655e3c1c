-- Beside tradepit_0, which the image makes: a database for the ledger of each further shard.
CREATE DATABASE tradepit_1;
CREATE DATABASE tradepit_2;
