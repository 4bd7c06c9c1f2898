-- How long the window's flights were in the air, as far as that was known by then.
SELECT
    f.flight_id,
    a.air_time,
    a.arrived_at
FROM flights AS f
JOIN arrivals AS a ON a.flight_id = f.flight_id
WHERE f.scheduled_departure >= :start AND f.scheduled_departure < :end
    AND a.arrived_at <= :as_of
