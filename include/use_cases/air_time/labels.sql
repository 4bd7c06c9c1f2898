-- How long the window's flights were in the air, as far as that was known by then. A flight that has not landed 24 hours
-- after it should have left is taken to be cancelled or diverted: null says that no outcome will come.
SELECT
    f.flight_id,
    a.air_time,
    COALESCE(a.arrived_at, f.scheduled_departure + INTERVAL '24 hours') AS arrived_at
FROM flights AS f
LEFT JOIN arrivals AS a ON a.flight_id = f.flight_id AND a.arrived_at <= :as_of
WHERE f.scheduled_departure >= :start AND f.scheduled_departure < :end
    AND (a.flight_id IS NOT NULL OR f.scheduled_departure + INTERVAL '24 hours' <= :as_of)
