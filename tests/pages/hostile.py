"""What somebody may write into an address to read or break more than the page shows, encoded as it is sent."""

from urllib.parse import quote

TRAVERSAL = (
    "..", "%2e%2e", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd", "%2fetc%2fpasswd", "..%5c..%5cwindows", "file:%2f%2f%2fetc%2fpasswd",
    "seen%2f..%2fhidden", "%c0%ae%c0%ae%c0%af",
)  # fmt: skip
CONTROLS = ("%00", "style.css%00", "seen%00.predict", "a%0d%0aSet-Cookie:%20a=b", "%1b[31m", "%7f")
SQL = tuple(
    quote(text, safe="")
    for text in (
        "' OR 1=1--",
        "' OR '1'='1",
        "'; DROP TABLE ledger.snapshots; --",
        '" OR ""="',
        "1) UNION SELECT usename, passwd FROM pg_shadow--",
        "$$; SELECT pg_sleep(60); --",
        "%' OR use_case LIKE '%",
    )
)
WRONG_TYPES = tuple(
    quote(text, safe="")
    for text in (
        "-1", "0", "NaN", "1e400", "true", "null", "[]", "{}", "{{ 7 * 7 }}", "%s%n%x", "\u202e", "\U0001f4a5",
        "0001-01-01", "9999-12-31", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "10000-01-01", "2013-02-30",
        "2013-W60", "\u0662\u0660\u0661\u0663-\u0660\u0663-\u0660\u0665",
        "2013-03-05T25:00Z", "2013-03-05T00:00Z--2013-03-05T00:00Z",
        "2013-03-06T00:00Z--2013-03-05T00:00Z", "9999-12-30T00:00Z--9999-12-31T00:00Z",
        "0001-01-01T00:00Z--0001-01-02T00:00Z", "2013-03-05T00:00Z--2013-03-05T00:00Z--x", "--", "pinned:", "pinned:'",
    )
)  # fmt: skip
NOT_UTF8 = ("%ff%fe", "%ed%a0%80", "%")
HUGE = ("a" * 3_000, "a" * 5_000, "%61" * 20_000, "a" * 100_000)
ALL = (*TRAVERSAL, *CONTROLS, *SQL, *WRONG_TYPES, *NOT_UTF8, *HUGE)
