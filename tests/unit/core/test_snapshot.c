// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "snapshot.h"

int main(void)
{
	return sl_check_run(suite_create("snapshot"));
}
