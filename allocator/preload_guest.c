// sendmsg, by which QEMU gives guest RAM's descriptor to another process (vhost-user): what is captured is not in that file.
#include "allocator/core.h"
#include "allocator/guest.h"
#include "allocator/preload_io.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static ssize_t early_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return tm_os_syscall(SYS_sendmsg, fd, (long)message, flags, 0, 0, 0);
}

static ssize_t (*next_sendmsg)(int, const struct msghdr *, int) = early_sendmsg;

void tm_guest_look_up(void)
{
	void *f = dlsym(RTLD_NEXT, "sendmsg");

	if (f)
		*(void **)&next_sendmsg = f;
}

static bool carries_guest_ram(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, (const char *)c + at, sizeof(fd));
			if (tm_guest_backed_by(fd))
				return true;
		}
	}
	return false;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (tm.guest && message->msg_controllen && carries_guest_ram((struct msghdr *)(uintptr_t)message)) {
		tm_log("the descriptor of guest RAM is not given to another process (vhost-user): managed memory cannot be "
		       "shared; start QEMU without tiermem or without that device");
		errno = EPERM;
		return -1;
	}
	return next_sendmsg(fd, message, flags);
}
