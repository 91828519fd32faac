#!/usr/bin/env python3
"""The bytes that mail_render_test wrote, read by another MIME parser and laid out by a browser.

  mail_bytes.py FOLDER REVIEWED      FOLDER: the .eml files; REVIEWED: tests/data/mails
"""
import email
import email.policy
import html.parser
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BYTES, REVIEWED = pathlib.Path(), pathlib.Path()
PHONE = 390
VOID = {"meta", "br"}


class Tags(html.parser.HTMLParser):
    """Whether every element that opens is closed in order, and what the page would fetch or run."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        names = {name for name, _ in attrs}
        if tag in ("script", "img", "iframe", "form", "link", "style") or any(n.startswith("on") or n in ("src", "background") for n in names):
            self.wrong.append(f"<{tag}> with {sorted(names)}")
        if tag == "a" and not dict(attrs)["href"].startswith(("https://portal.example.com/", "tel:")):
            self.wrong.append(f"a link to {dict(attrs)['href']}")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


class MailBytes(unittest.TestCase):
    def setUp(self):
        self.files = sorted(BYTES.glob("*.eml"))
        self.assertGreaterEqual(len(self.files), 19, f"mail_render_test writes its mails to {BYTES}")

    def test_another_parser_reads_what_was_meant(self):
        for file in self.files:
            with self.subTest(mail=file.stem):
                raw = file.read_bytes()
                self.assertLessEqual(max(len(line) for line in raw.split(b"\r\n")), 78)
                self.assertNotIn(b"\n", raw.replace(b"\r\n", b""))
                mail = email.message_from_bytes(raw, policy=email.policy.default)
                self.assertEqual([part.defects for part in mail.walk()], [[], [], []])
                self.assertEqual([part.get_content_type() for part in mail.iter_parts()], ["text/plain", "text/html"])
                self.assertEqual([part.get_content_charset() for part in mail.iter_parts()], ["utf-8", "utf-8"])
                self.assertEqual(mail["From"].addresses[0].display_name, "サイバーお助け隊")
                self.assertEqual(mail["Auto-Submitted"], "auto-generated")
                plain = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
                self.assertEqual(f"Subject: {mail['Subject']}\n\n{plain}", (REVIEWED / f"{file.stem}.txt").read_text())
                page = mail.get_body(("html",)).get_content().replace("\r\n", "\n")
                self.assertEqual(page, (REVIEWED / f"{file.stem}.html").read_text())
                tags = Tags()
                tags.feed(page)
                self.assertEqual((tags.open, tags.wrong), ([], []))
                said = "".join(page.split())
                for line in plain.splitlines():  # both forms say the same numbers
                    if line.startswith(("アラートID：", "Alert ID:")):
                        self.assertIn("".join(line.split()), said)

    def test_no_mail_is_wider_than_a_telephone(self):
        missing = [name for name in ("chromium", "fc-list") if not shutil.which(name)]
        self.assertEqual(missing, [], "a browser must lay the mails out; deploy/dev/install installs it")
        fonts = subprocess.run(["fc-list", ":lang=ja", "family"], capture_output=True, text=True, timeout=60).stdout
        self.assertTrue(fonts.strip(), "without a Japanese font the widths mean nothing; deploy/dev/install installs one")
        names = [file.stem for file in self.files]
        with tempfile.TemporaryDirectory() as folder:
            frames = "".join(f'<iframe width={PHONE} height=800 src="{name}.html"></iframe>' for name in names)
            for name in names:
                shutil.copy(REVIEWED / f"{name}.html", folder)
            page = pathlib.Path(folder) / "index.html"
            page.write_text(f"<!DOCTYPE html><meta charset=utf-8><style>iframe{{border:0}}</style>{frames}<pre></pre><script>onload = () => "
                            "document.querySelector('pre').textContent = [...document.querySelectorAll('iframe')]"
                            ".map(f => 'width=' + f.contentDocument.documentElement.scrollWidth).join(' ')</script>")
            done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--allow-file-access-from-files",
                                   f"--user-data-dir={folder}/profile", "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=100)
            widths = [int(word.split("=")[1]) for word in done.stdout.partition("<pre>")[2].partition("</pre>")[0].split()]
            self.assertEqual(len(widths), len(names), done.stderr[-500:])
            self.assertEqual({name: width for name, width in zip(names, widths) if width > PHONE}, {})


if __name__ == "__main__":
    BYTES, REVIEWED = map(pathlib.Path, sys.argv[1:3])
    unittest.main(argv=sys.argv[:1])
