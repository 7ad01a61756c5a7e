-- Protocols by content hash.

-- name: register
INSERT INTO protocol (sha256, id, version, content) VALUES ($1, $2, $3, $4)
ON CONFLICT (sha256) DO NOTHING RETURNING sha256

-- name: restore
UPDATE protocol SET content = $2 WHERE sha256 = $1 AND content <> $2 RETURNING sha256
