-- How the window's flights ended, as far as that was known by then. Cancelled and diverted flights never get a label.
SELECT
    f.flight_id,
    a.arr_delay >= 15 AS late,
    a.arrived_at
FROM flights AS f
JOIN arrivals AS a ON a.flight_id = f.flight_id
WHERE f.scheduled_departure >= :start AND f.scheduled_departure < :end
    AND a.arrived_at <= :as_of
