/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends by a triple fault some calls deep: a write to an unmapped address, with no handler that could run. */

void crash_main(void);

static __attribute__((noinline)) int write_somewhere(volatile int *p, int v)
{
	*p = v;
	return v + 1;
}

static __attribute__((noinline)) int second_level(int v)
{
	return write_somewhere((volatile int *)0x77777000, v + 2) * 3;
}

static __attribute__((noinline)) int first_level(int v)
{
	return second_level(v + 1) * 5;
}

void crash_main(void)
{
	volatile int result = first_level(1);

	(void)result;
}
