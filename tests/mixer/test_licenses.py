"""One line a case: a source's license, the mixture's, and what of the first the second drops."""

import pytest

from mixer.licenses import dropped, obligations

CASES = """\
CC0-1.0              | MIT                 |
public domain        | ODC-BY-1.0          |
Public Domain        | CC0-1.0             |
MIT                  | ODC-BY-1.0          |
MIT                  | CC0-1.0             | attribution
CC-BY-4.0            | ODC-BY-1.0          |
CC-BY-SA-4.0         | ODC-BY-1.0          | share-alike
CC-BY-SA-3.0         | CC-BY-SA-4.0        |
CC-BY-SA-4.0         | GPL-3.0-only        |
ODbL-1.0             | CDLA-Permissive-2.0 | share-alike
GFDL-1.3-or-later    | CC-BY-4.0           | share-alike
CC-BY-NC-4.0         | CC-BY-4.0           | non-commercial use alone
CC-BY-NC-SA-4.0      | CC-BY-NC-4.0        | share-alike
CC-BY-NC-SA-4.0      | CC-BY-SA-4.0        | non-commercial use alone
CC-BY-NC-SA-4.0      | CC0-1.0             | non-commercial use alone, share-alike, attribution
CC-BY-ND-4.0         | CC-BY-SA-4.0        | no derivatives
CC-BY-NC-4.0         | CC-BY-NC-SA-4.0     |
GPL-3.0-or-later     | Apache-2.0          | copyleft
AGPL-3.0             | GPL-3.0             |
LGPL-2.1+            | MIT                 | copyleft
MPL-2.0              | ODC-BY-1.0          | copyleft
MIT OR GPL-3.0       | ODC-BY-1.0          |
MIT AND GPL-3.0      | ODC-BY-1.0          | copyleft
GPL-2.0 WITH Classpath-exception-2.0 | MIT | copyleft
cc-by-sa-4.0         | odc-by              | share-alike
"""


@pytest.mark.parametrize("case", CASES.splitlines())
def test_dropped(case):
    source, mixture, lost = (part.strip() for part in case.split("|"))
    assert ", ".join(dropped(obligations(source), obligations(mixture))) == lost


@pytest.mark.parametrize("text", ["various", "unknown", "CC-BY", "various permissive", "MIT OR whatever",
                                  "(MIT OR GPL-3.0) AND CC0-1.0", "not MIT", ""])
def test_unknown(text):
    assert obligations(text) is None
