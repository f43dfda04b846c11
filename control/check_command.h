// SPDX-License-Identifier: Apache-2.0
// Commands of `sluice` that need no running process: they read files and print.
//
// argv[0] is the command's own name ("check"). Reports go to standard error.
#ifndef SLUICE_CONTROL_CHECK_COMMAND_H
#define SLUICE_CONTROL_CHECK_COMMAND_H

// Exit statuses, the same for every command of `sluice` (reference/operations.md section 1.5).
enum sl_command_exit {
	SL_COMMAND_OK = 0,
	SL_COMMAND_FAILED = 1,
	SL_COMMAND_USAGE = 2,
	SL_COMMAND_INVALID = 3,
};

// check [-f FILE] [--dataplane FILE]: are the files valid?
int sl_command_check(int argc, char **argv);

// compile FILE: dataplane.yaml to struct sl_dpconfig on standard output.
int sl_command_compile(int argc, char **argv);

// schema [--dataplane] [--markdown]: what the files may hold.
int sl_command_schema(int argc, char **argv);

#endif
