"""cvc5 out of its Python wheel, as a program: reads SMT-LIB from standard input and answers line by line."""
import sys

import cvc5

manager = cvc5.TermManager()
solver = cvc5.Solver(manager)
parser = cvc5.InputParser(solver)
parser.setIncrementalStringInput(cvc5.InputLanguage.SMT_LIB_2_6, "standard input")
open_parentheses, text = 0, ""
for line in sys.stdin:
    text += line
    quoted = False
    for letter in line:
        if letter == '"':
            quoted = not quoted
        elif not quoted:
            open_parentheses += (letter == "(") - (letter == ")")
    if open_parentheses > 0:
        continue
    parser.appendIncrementalStringInput(text)
    text = ""
    while True:
        command = parser.nextCommand()
        if command.isNull():
            break
        answer = command.invoke(solver, parser.getSymbolManager())
        sys.stdout.write(answer)
        sys.stdout.flush()
