-- The bank is the one shared resource; worklist, outbox and read model can be rebuilt from the histories.

CREATE TABLE protocol (
    sha256      text PRIMARY KEY,
    id          text NOT NULL,
    version     text NOT NULL,
    content     jsonb NOT NULL
);

CREATE TABLE unit (
    unit_id       text PRIMARY KEY,
    lot           text NOT NULL,
    donor         text NOT NULL,
    antigens      text[] NOT NULL CHECK (cardinality(antigens) BETWEEN 1 AND 2),
    million_cells double precision NOT NULL CHECK (million_cells > 0),
    quality       text NOT NULL CHECK (quality IN ('quarantined', 'released', 'rejected')),
    expires_on    date NOT NULL,
    loaded_by     text NOT NULL,
    loaded_at     timestamptz NOT NULL DEFAULT now()
);

-- What became of each unit, in order: a chain that is only ever appended to. The next number of a unit can be taken once,
-- so of two who reserve it at the same moment one fails; what may follow on what is a check, and a unit is infused once.
CREATE TABLE custody (
    unit_id         text NOT NULL REFERENCES unit,
    number          integer NOT NULL CHECK (number >= 1),
    event           text NOT NULL CHECK (event IN ('loaded', 'reserved', 'returned', 'infused')),
    previous_number integer GENERATED ALWAYS AS (nullif(number - 1, 0)) STORED,
    previous_event  text,
    key             text NOT NULL,
    ordinal         integer NOT NULL DEFAULT 0,
    study           text,
    subject         text,
    at              timestamptz NOT NULL,
    who             text NOT NULL,
    why             text NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_event_at_a_time PRIMARY KEY (unit_id, number),
    holder_study    text GENERATED ALWAYS AS (CASE WHEN event IN ('returned', 'infused') THEN study END) STORED,
    holder_subject  text GENERATED ALWAYS AS (CASE WHEN event IN ('returned', 'infused') THEN subject END) STORED,
    UNIQUE (unit_id, number, event),
    UNIQUE (unit_id, number, study, subject),
    CONSTRAINT reserved_for_the_same FOREIGN KEY (unit_id, previous_number, holder_study, holder_subject)
        REFERENCES custody (unit_id, number, study, subject),
    CONSTRAINT booked_once UNIQUE (unit_id, key),
    CONSTRAINT follows_on FOREIGN KEY (unit_id, previous_number, previous_event)
        REFERENCES custody (unit_id, number, event),
    CONSTRAINT allowed_transition CHECK (
        CASE WHEN number = 1 THEN event = 'loaded' AND previous_event IS NULL
        ELSE coalesce((previous_event, event) IN (
            ('loaded', 'reserved'), ('returned', 'reserved'), ('reserved', 'returned'), ('reserved', 'infused')
        ), false) END
    ),
    CONSTRAINT reserved_for_somebody CHECK (event = 'loaded' OR (study IS NOT NULL AND subject IS NOT NULL))
);
CREATE UNIQUE INDEX unit_infused_once ON custody (unit_id) WHERE event = 'infused';
CREATE INDEX custody_by_key ON custody (key);

-- The latest event of each unit: what it is now.
CREATE VIEW unit_custody AS
SELECT DISTINCT ON (unit_id) unit_id, number, event, key, ordinal, study, subject, at
FROM custody ORDER BY unit_id, number DESC;

-- What was answered to each request for units, also when it was none: a late attempt gets the same answer.
CREATE TABLE reservation_request (
    key     text PRIMARY KEY,
    study   text NOT NULL,
    subject text NOT NULL,
    units   text[] NOT NULL,
    reason  text NOT NULL,
    at      timestamptz NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: its rows are only ever appended to', TG_OP, TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON unit EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reservation_request
    EXECUTE FUNCTION refuse_change();

CREATE TABLE fact (
    workflow_id text NOT NULL,
    sequence    integer NOT NULL CHECK (sequence >= 1),
    study       text NOT NULL,
    owner       text NOT NULL,
    run_id      text NOT NULL,
    kind        text NOT NULL,
    at          timestamptz NOT NULL CHECK (at BETWEEN '1900-01-01Z' AND '9000-01-01Z'),
    who         text NOT NULL,
    role        text NOT NULL,
    why         text NOT NULL,
    body        jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    PRIMARY KEY (workflow_id, sequence)
);
CREATE INDEX fact_by_study ON fact (study, owner, sequence);

CREATE TABLE task (
    task_id     text NOT NULL,
    study       text NOT NULL,
    owner       text NOT NULL,
    workflow_id text NOT NULL,
    kind        text NOT NULL,
    step        text NOT NULL,
    title       text NOT NULL,
    role        text NOT NULL,
    site        text,
    opened_at   timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    escalate_at timestamptz NOT NULL,
    expires_at  timestamptz,
    detail      jsonb NOT NULL,
    status      text NOT NULL CHECK (status IN ('open', 'answered', 'expired', 'cancelled')),
    urgency     text NOT NULL DEFAULT 'open' CHECK (urgency IN ('open', 'reminded', 'escalated')),
    closed_at   timestamptz,
    PRIMARY KEY (study, task_id)
);
CREATE INDEX task_open ON task (study, due_at) WHERE status = 'open';

CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study        text NOT NULL,
    task_id      text NOT NULL,
    event        text NOT NULL CHECK (event IN ('opened', 'reminded', 'escalated')),
    role         text NOT NULL,
    site         text,
    subject_line text NOT NULL,
    body         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    last_error   text,
    delivered_at timestamptz,
    CONSTRAINT notified_once UNIQUE (study, task_id, event)
);
CREATE INDEX outbox_undelivered ON outbox (id) WHERE delivered_at IS NULL;

-- Publications that wait because the read model has other facts under their numbers, until a rebuild.
CREATE TABLE waiting_publication (
    workflow_id    text PRIMARY KEY,
    study          text NOT NULL,
    first_sequence integer NOT NULL,
    difference     text NOT NULL,
    since          timestamptz NOT NULL DEFAULT now()
);
