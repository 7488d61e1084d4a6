/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kexec KERNEL INITRD CMDLINE: start another Linux without the firmware, the devices as they are.  kexec-tools could do it,
 * too, but wants the libraries of a whole other hypervisor.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REBOOT_KEXEC	0x45584543

int main(int argc, char **argv)
{
	int kernel = argc == 4 ? open(argv[1], O_RDONLY) : -1, initrd = argc == 4 ? open(argv[2], O_RDONLY) : -1;

	if (kernel < 0 || initrd < 0) {
		fprintf(stderr, "usage: kexec KERNEL INITRD CMDLINE, both files readable\n");
		return 2;
	}
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0)) {
		perror("kexec_file_load");
		return 1;
	}
	sync();
	reboot(REBOOT_KEXEC);
	perror("reboot");
	return 1;
}
