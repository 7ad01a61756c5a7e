-- The bank: units, and the append-only chain of custody of each.

-- name: queue_for_target
SELECT pg_advisory_xact_lock(hashtextextended($1, 1))

-- name: request
SELECT units, reason FROM reservation_request WHERE key = $1

-- name: answer_request
INSERT INTO reservation_request (key, study, subject, units, reason, at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: still_reserved_under
SELECT unit.unit_id, lot, donor, antigens, million_cells, quality, expires_on
FROM unit_custody AS latest JOIN unit USING (unit_id)
WHERE latest.key = $1 AND latest.event = 'reserved' ORDER BY ordinal

-- name: free_units
-- Units of other targets are left out here only to read fewer rows; the rule itself is `match_units`.
SELECT unit_id, lot, donor, antigens, million_cells, quality, expires_on
FROM unit JOIN unit_custody AS latest USING (unit_id)
WHERE antigens @> $1 AND latest.event IN ('loaded', 'returned')
ORDER BY unit_id

-- name: reserve
INSERT INTO custody (unit_id, number, event, previous_event, key, ordinal, study, subject, at, who, why)
SELECT unit_id, number + 1, 'reserved', event, $2, $3, $4, $5, $6, 'system', $7 FROM unit_custody WHERE unit_id = $1

-- name: end_reservation
-- Of a unit that is reserved for this participant; asked for again with the same key, it changes nothing.
INSERT INTO custody (unit_id, number, event, previous_event, key, study, subject, at, who, why)
SELECT unit_id, number + 1, $2, event, $3, study, subject, $6, $7, $8
FROM unit_custody AS latest
WHERE unit_id = $1 AND event = 'reserved' AND study = $4 AND subject = $5
ON CONFLICT ON CONSTRAINT booked_once DO NOTHING

-- name: is_booked
SELECT EXISTS (
    SELECT FROM custody
    WHERE unit_id = $1 AND key = $2 AND event = 'infused' AND study = $3 AND subject = $4
)

-- name: load
WITH loaded AS (
    INSERT INTO unit (unit_id, lot, donor, antigens, million_cells, quality, expires_on, loaded_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (unit_id) DO NOTHING RETURNING unit_id
)
INSERT INTO custody (unit_id, number, event, key, at, who, why)
SELECT unit_id, 1, 'loaded', 'bank-file', now(), $8, 'bank file' FROM loaded
