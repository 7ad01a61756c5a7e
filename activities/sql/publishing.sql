-- Facts, tasks and notices, written in one transaction for each publication.

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended($1, 0))

-- name: facts_between
SELECT sequence, kind, at, who, role, why, body FROM fact
WHERE workflow_id = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence

-- name: latest
SELECT coalesce(max(sequence), 0) FROM fact WHERE workflow_id = $1

-- name: insert_facts
INSERT INTO fact (workflow_id, run_id, study, owner, sequence, kind, at, who, role, why, body)
SELECT $1, $2, $3, $4, sequence, kind, at, who, role, why, body
FROM jsonb_to_recordset($5) AS given (
    sequence integer, kind text, at timestamptz, who text, role text, why text, body jsonb
)

-- name: open_task
INSERT INTO task (task_id, study, owner, workflow_id, kind, step, title, role, site, opened_at, due_at, escalate_at,
                  expires_at, detail, status)
SELECT task.id, $1, $2, $3, task.kind, task.step, task.title, task.role, $4, task.opened_at, task.due_at,
       task.escalate_at, task.expires_at, coalesce(task.detail, '{}'), 'open'
FROM jsonb_to_record($5) AS task (
    id text, kind text, step text, title text, role text, opened_at timestamptz, due_at timestamptz,
    escalate_at timestamptz, expires_at timestamptz, detail jsonb
)

-- name: urge_task
UPDATE task SET urgency = $3 WHERE study = $1 AND task_id = $2

-- name: close_task
UPDATE task SET status = $3, closed_at = $4 WHERE study = $1 AND task_id = $2

-- name: notify
-- An escalation goes to trial operations; what is opened or reminded of goes to whoever is to act.
INSERT INTO outbox (study, task_id, event, role, site, subject_line, body)
SELECT study, task_id, $3, CASE $3 WHEN 'escalated' THEN 'operations' ELSE role END, site,
       format('[%s] %s: %s (%s)', study, owner, title, $3),
       format(E'%s\n\nTask %s of %s %s.\nAnswer: trial task complete %s', title, task_id, owner, CASE $3
                  WHEN 'opened' THEN 'is due ' || to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                  ELSE 'was ' || $3 || ': ' || $4 END, task_id)
FROM task WHERE study = $1 AND task_id = $2
ON CONFLICT ON CONSTRAINT notified_once DO NOTHING

-- name: settle_notices
-- Of notices that this transaction has written: nobody needs one of a task that is not open any more.
UPDATE outbox SET delivered_at = now() FROM task
WHERE task.workflow_id = $1 AND task.status <> 'open' AND outbox.created_at = now()
      AND outbox.study = task.study AND outbox.task_id = task.task_id

-- name: announce
-- Whoever listens (a page, a virtual site) reads again; nothing depends on it.
SELECT pg_notify('trial_facts', $1)

-- name: wait_for_rebuild
INSERT INTO waiting_publication (workflow_id, study, first_sequence, difference) VALUES ($1, $2, $3, $4)
ON CONFLICT (workflow_id) DO UPDATE SET first_sequence = $3, difference = $4

-- name: wait_no_longer
DELETE FROM waiting_publication WHERE workflow_id = $1

-- name: delete_facts
DELETE FROM fact WHERE workflow_id = $1

-- name: delete_tasks
DELETE FROM task WHERE workflow_id = $1

-- name: delete_tasks_by_id
DELETE FROM task WHERE study = $1 AND task_id = ANY($2)

-- name: tasks
SELECT * FROM task WHERE workflow_id = $1 ORDER BY task_id

-- name: workflows
SELECT DISTINCT workflow_id FROM fact WHERE study = $1
UNION SELECT DISTINCT workflow_id FROM task WHERE study = $1 ORDER BY workflow_id
