-- The outbox, as far as delivering it goes.

-- name: next_notices
-- Locked until they are marked: another dispatcher passes them over.
SELECT id, study, task_id, event, role, site, subject_line, body FROM outbox
WHERE delivered_at IS NULL ORDER BY attempts, id LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: mark_delivered
UPDATE outbox SET attempts = attempts + 1, delivered_at = now(), last_error = NULL WHERE id = ANY($1)

-- name: mark_failed
UPDATE outbox SET attempts = attempts + 1, last_error = $2 WHERE id = $1
