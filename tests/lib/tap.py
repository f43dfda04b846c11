# SPDX-License-Identifier: Apache-2.0
"""Runs the unittest cases of a file with one TAP line each, as the Check programs write them."""
import sys
import unittest


class Tap(unittest.TestResult):
    def __init__(self, name):
        super().__init__()
        self.name = name

    def say(self, result, test, text=""):
        print(f"{result} {self.testsRun} - {self.name}:{test.id().rsplit('.', 1)[-1]}: {text}")

    def addSuccess(self, test):
        self.say("ok", test, "passed")

    def addError(self, test, err):
        super().addError(test, err)
        self.say("not ok", test, repr(err[1]))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("not ok", test, " ".join(str(err[1]).split()))


def main(name, cases):
    """name as the Check programs have it: suite:program."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(cases)
    print(f"1..{suite.countTestCases()}")
    sys.exit(not suite.run(Tap(name)).wasSuccessful())
