-- The flights that should leave in the window.
SELECT
    flight_id,
    scheduled_departure,
    carrier,
    origin,
    dest,
    distance
FROM flights
WHERE scheduled_departure >= :start AND scheduled_departure < :end
