"""cvc5 out of its Python wheel, as a program: reads SMT-LIB from standard input and answers line by line."""
import sys

import cvc5


def fresh():
    """A solver, and what it calls things."""
    manager = cvc5.TermManager()
    return cvc5.Solver(manager), cvc5.SymbolManager(manager)


solver, symbols = fresh()
depth, quoted, text = 0, False, ""
for line in sys.stdin:
    text += line
    for letter in line:
        if letter == '"':
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
    if depth > 0 or quoted:
        continue
    if text.strip() == "(reset)":
        solver, symbols = fresh()
        text = ""
        continue
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "standard input")
    text = ""
    while not (command := parser.nextCommand()).isNull():
        sys.stdout.write(command.invoke(solver, symbols))
        sys.stdout.flush()
