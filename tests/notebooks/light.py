"""A pytest plugin without which jsonschema, that nbval imports, reads a grammar of web addresses for a second and a half.

The schema of notebooks does not check addresses, and jsonschema does without them if the package is missing.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
