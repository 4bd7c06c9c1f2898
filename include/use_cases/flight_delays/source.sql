-- The flights that should leave in the window, with their plane, and the weather at the airport in the hour of departure.
SELECT
    f.flight_id,
    f.scheduled_departure,
    f.flight,
    f.carrier,
    f.origin,
    f.dest,
    f.distance,
    f.scheduled_arrival_minute,
    p.year AS plane_year,
    p.seats,
    p.engines,
    w.temp,
    w.dewp,
    w.humid,
    w.wind_speed,
    w.precip,
    w.pressure,
    w.visib
FROM flights AS f
LEFT JOIN planes AS p ON p.tailnum = f.tailnum
LEFT JOIN weather AS w
    ON w.origin = f.origin
    AND w.observed_at = date_trunc('hour', f.scheduled_departure, 'UTC')
    AND w.observed_at <= :as_of
WHERE f.scheduled_departure >= :start AND f.scheduled_departure < :end
