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

-- A unit is promised once: its id is the key, whatever dies when.
CREATE TABLE reservation (
    unit_id     text CONSTRAINT unit_promised_once PRIMARY KEY REFERENCES unit,
    study       text NOT NULL,
    subject     text NOT NULL,
    request_key text NOT NULL,
    ordinal     integer NOT NULL,
    infused     boolean NOT NULL DEFAULT false,
    reserved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reservation_by_request ON reservation (request_key);

CREATE TABLE custody (
    unit_id     text NOT NULL REFERENCES unit,
    workflow_id text NOT NULL,
    sequence    integer NOT NULL,
    event       text NOT NULL CHECK (event IN ('loaded', 'reserved', 'returned', 'infused')),
    at          timestamptz NOT NULL,
    who         text NOT NULL,
    why         text NOT NULL,
    PRIMARY KEY (unit_id, workflow_id, sequence, event)
);

CREATE TABLE fact (
    workflow_id text NOT NULL,
    sequence    integer NOT NULL,
    study       text NOT NULL,
    owner       text NOT NULL,
    run_id      text NOT NULL,
    kind        text NOT NULL,
    at          timestamptz NOT NULL,
    who         text NOT NULL,
    role        text NOT NULL,
    why         text NOT NULL,
    body        jsonb NOT NULL,
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

-- One row for each workflow: what it last published, and when it acts next by itself.
CREATE TABLE standing (
    workflow_id text PRIMARY KEY,
    study       text NOT NULL,
    owner       text NOT NULL,
    sequence    integer NOT NULL,
    at          timestamptz NOT NULL,
    next_at     timestamptz
);
CREATE INDEX standing_by_study ON standing (study);
