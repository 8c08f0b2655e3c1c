-- Whoever does not know whether an order was placed asks for it by the id that he gave it. Without this index
-- that reads every order of the account. No column of it changes, so that an update still stays in its page.

CREATE INDEX orders_by_client_order_id ON orders (account_id, client_order_id)
WHERE client_order_id <> 0;
