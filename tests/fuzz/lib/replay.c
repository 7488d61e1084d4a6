/* SPDX-License-Identifier: BSD-2-Clause */
/* In the place of libFuzzer, for compilers without it (make coverage): run the files of the named directories once each. */
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	/* A new machine for each input; its counts are added to the file of the others (gcov). */
	fflush(stdout);
	pid_t child = fork();
	int status;

	if (!child) {
		LLVMFuzzerTestOneInput(data, size);
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status) {
		printf("not ok: %s\n", path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;
		char path[4096];

		if (!d) {
			perror(argv[i]);
			return 1;
		}
		while ((e = readdir(d))) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			replay_file(path);
			n++;
		}
		closedir(d);
	}
	printf("%u inputs\n", n);
	return 0;
}
