-- Reading facts, tasks, protocols and the bank.

-- name: open_tasks
SELECT * FROM task
WHERE study = $1 AND status = 'open' AND ($2::text IS NULL OR role = $2) AND ($3::text IS NULL OR site = $3)
ORDER BY due_at, task_id

-- name: tasks_of
SELECT * FROM task WHERE workflow_id = $1 AND status = 'open' ORDER BY task_id

-- name: find_task
SELECT * FROM task WHERE study = $1 AND task_id = $2

-- name: task_sites
SELECT DISTINCT site FROM task WHERE study = $1 AND site IS NOT NULL ORDER BY site

-- name: fact_rows
SELECT * FROM fact WHERE workflow_id = $1 ORDER BY sequence

-- name: facts_of_all
SELECT * FROM fact WHERE study = $1 AND starts_with(workflow_id, $2) ORDER BY owner, sequence

-- name: kinds_of
SELECT DISTINCT kind FROM fact WHERE workflow_id = $1

-- name: studies
SELECT DISTINCT study FROM fact WHERE starts_with(workflow_id, 'study/') ORDER BY study

-- name: owners
SELECT DISTINCT owner FROM fact WHERE study = $1 AND starts_with(workflow_id, $2) ORDER BY owner

-- name: fact_count
SELECT count(*) FROM fact WHERE study = $1

-- name: latest_number
SELECT coalesce(max(sequence), 0) FROM fact WHERE workflow_id = $1

-- name: protocol_content
SELECT content FROM protocol WHERE sha256 = $1

-- name: waiting_publications
SELECT * FROM waiting_publication ORDER BY since, workflow_id

-- name: bank_summary
SELECT array_to_string(antigens, '+') AS product, quality, million_cells,
       count(*) FILTER (WHERE latest.event IN ('loaded', 'returned')) AS free,
       count(*) FILTER (WHERE latest.event = 'reserved') AS reserved,
       count(*) FILTER (WHERE latest.event = 'infused') AS infused,
       min(expires_on) AS first_expiry
FROM unit JOIN unit_custody AS latest USING (unit_id)
GROUP BY 1, 2, 3 ORDER BY 1, 3, 2

-- name: custody_of
SELECT * FROM custody WHERE unit_id = ANY($1) ORDER BY unit_id, number

-- name: custody_of_study
SELECT * FROM custody
WHERE unit_id IN (SELECT unit_id FROM custody WHERE study = $1) ORDER BY unit_id, number

-- name: notices
SELECT task_id, event, attempts, delivered_at FROM outbox WHERE study = $1 ORDER BY id
