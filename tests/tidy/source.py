"""C++ text taken apart as far as the checks need it: comments, string literals, code."""
import re

PIECE = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)'
    r'|(?P<raw>R"(?P<mark>[^()\\\s]{0,16})\((?P<rawtext>.*?)\)(?P=mark)")'
    r'|(?P<include>^[ \t]*#[ \t]*include[^\n]*)'
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<char>'(?:[^'\\\n]|\\.)+')",
    re.S | re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


class Source:
    """`code`: comments, includes and literals blanked, line numbers kept. `literals`: [(line, text)], neighbours joined."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.literals, pieces, at, last_end = [], [], 0, None
        for match in PIECE.finditer(text):
            # A digit separator is no character literal.
            if match.lastgroup == "char" and match.start() and text[match.start() - 1].isalnum():
                continue
            between = text[at:match.start()]
            pieces.append(between)
            line = text.count("\n", 0, match.start()) + 1
            literal = None
            if match.group("raw") is not None:
                literal = match.group("rawtext")
            elif match.group("string") is not None:
                literal = match.group("string")[1:-1]
            if literal is not None:
                if last_end is not None and not text[last_end:match.start()].strip():
                    first, before = self.literals[-1]
                    self.literals[-1] = (first, before + literal)
                else:
                    self.literals.append((line, literal))
                last_end = match.end()
            elif match.group("comment") is None:
                last_end = None
            pieces.append('""' if literal is not None else "" if match.group("char") is None else "' '")
            pieces.append("\n" * match.group(0).count("\n"))
            at = match.end()
        pieces.append(text[at:])
        self.code = "".join(pieces)

    def includes(self):
        """[(line, whether quoted, path)]"""
        return [(self.text.count("\n", 0, m.start()) + 1, m.group(1) == '"', m.group(2)) for m in INCLUDE.finditer(self.text)]

    def lines_of(self, pattern):
        """Lines of the code where `pattern` is found, with what was found."""
        return [(self.code.count("\n", 0, m.start()) + 1, m.group(0)) for m in re.finditer(pattern, self.code)]
