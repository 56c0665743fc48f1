// SPDX-License-Identifier: GPL-2.0-only
/* filter_options.c: what is typed becomes the filter that was meant, or a clause says why not */
#include "unit.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/filter.h"

static struct sonde_filter filter;
static struct run run = { .filter = &filter };
static char why[160];

static int apply(const char *name, const char *value)
{
	why[0] = 0;
	for (const struct option_row *row = filter_rows; row->kind != OPTION_END; row++) {
		if (!strcmp(row->name, name))
			return row->parse(&run, value, why, sizeof(why));
	}
	fail_msg("no option --%s", name);
	return 0;
}

static void clear(void)
{
	memset(&filter, 0, sizeof(filter));
	run.filtered = false;
	unit_said[0] = 0;
}

static void good(const char *name, const char *value)
{
	clear();
	if (apply(name, value))
		fail_msg("--%s %s: %s", name, value, why);
}

/* refused, for the reason that message gives */
static void bad(const char *name, const char *value, const char *message)
{
	clear();
	assert_int_equal(apply(name, value), -EINVAL);
	assert_string_equal(why, message);
}

static void addresses(void **state)
{
	const __u8 net[16] = { 10, 1, 0, 0 }, mask[16] = { 255, 255, 240, 0 };
	__u8 six[16], ones[16];

	(void)state;
	good("src-ip", "10.1.15.7/20");
	assert_int_equal(filter.set, FILTER_SRC | FILTER_IP4);
	assert_memory_equal(filter.src.address.byte, net, 16);
	assert_memory_equal(filter.src.mask.byte, mask, 16);
	good("dst-ip", "2001:db8::7");
	assert_int_equal(filter.set, FILTER_DST | FILTER_IP6);
	inet_pton(AF_INET6, "2001:db8::7", six);
	memset(ones, 0xff, sizeof(ones));
	assert_memory_equal(filter.dst.address.byte, six, 16);
	assert_memory_equal(filter.dst.mask.byte, ones, 16);
	good("host", "fe80::/10");
	assert_int_equal(filter.set, FILTER_HOST | FILTER_IP6);
	assert_int_equal(filter.host.mask.byte[1], 0xc0);
	assert_int_equal(filter.host.mask.byte[2], 0);
	good("not-host", "10.0.0.1");
	assert_int_equal(filter.set, FILTER_NOT_HOST);
	good("not-host", "::1");
	assert_int_equal(filter.set, FILTER_NOT_HOST | FILTER_NOT_HOST6);

	for (const char *const *text =
		     (const char *[]){ "", "10.0.0", "10.0.0.1.2", "300.1.1.1", "10.0.0.1x",
				       " 10.0.0.1", "host", ":::1", "/8", "fe80::1%eth0",
				       "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL };
	     *text; text++)
		bad("src-ip", *text, "not an IPv4 or IPv6 address");
	bad("host", "10.0.0.1/33", "the prefix length must be 0 to 32");
	bad("host", "10.0.0.1/", "the prefix length must be 0 to 32");
	bad("host", "10.0.0.1/-1", "the prefix length must be 0 to 32");
	bad("host", "10.0.0.1/8x", "the prefix length must be 0 to 32");
	bad("host", "::1/129", "the prefix length must be 0 to 128");

	good("src-ip", "10.0.0.1");
	assert_int_equal(apply("dst-ip", "::1"), -EINVAL);
	assert_string_equal(why, "no packet is both IPv4 and IPv6: contradicts another option");
}

static void ports(void **state)
{
	static const char list[] = "not a list of ports such as 80,443,1000-2000 (0 to 65535)";

	(void)state;
	good("port", "80,443,1000-2000");
	assert_int_equal(filter.set, FILTER_PORT);
	assert_int_equal(filter.port.count, 3);
	assert_int_equal(filter.port.range[0].first, 80);
	assert_int_equal(filter.port.range[0].last, 80);
	assert_int_equal(filter.port.range[2].first, 1000);
	assert_int_equal(filter.port.range[2].last, 2000);
	good("src-port", "0-65535");
	assert_int_equal(filter.set, FILTER_SRC_PORT);
	assert_int_equal(filter.src_port.range[0].last, 65535);
	good("dst-port", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16");
	assert_int_equal(filter.dst_port.count, 16);
	assert_int_equal(filter.dst_port.range[15].first, 16);

	bad("dst-port", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	    "more than 16 ports and ranges");
	bad("port", "80-70", "the range 80-70 runs backwards");
	for (const char *const *text =
		     (const char *[]){ "", "http", "80,", ",80", "80,,81", "65536", "-1", "1-", "-",
				       "1-2-3", "80 ", "1-65536", "99999999999999999999", NULL };
	     *text; text++)
		bad("port", *text, list);
}

static void protocols(void **state)
{
	(void)state;
	good("protocol", "TCP");
	assert_int_equal(filter.set, FILTER_PROTOCOL);
	assert_int_equal(filter.protocol, 6);
	good("protocol", "icmpv6");
	assert_int_equal(filter.protocol, 58);
	good("protocol", "0");
	assert_int_equal(filter.set, FILTER_PROTOCOL);
	assert_int_equal(filter.protocol, 0);
	good("protocol", "255");
	assert_int_equal(filter.protocol, 255);
	good("protocol", "arp");
	assert_int_equal(filter.set, FILTER_ARP);
	good("protocol", "all");
	assert_int_equal(filter.set, 0);
	for (const char *const *text = (const char *[]){ "", "256", "-1", "tcpp", "6x", NULL };
	     *text; text++)
		bad("protocol", *text,
		    "not a protocol: tcp, udp, icmp, icmpv6, sctp, arp or a number to 255");
}

static void other_numbers(void **state)
{
	(void)state;
	good("vlan", "4094");
	assert_int_equal(filter.set, FILTER_VLAN);
	assert_int_equal(filter.vlan, 4094);
	good("vlan", "0");
	bad("vlan", "4095", "not a VLAN id from 0 to 4094");
	bad("vlan", "x", "not a VLAN id from 0 to 4094");
	good("vni", "16777215");
	assert_int_equal(filter.set, FILTER_VNI);
	assert_int_equal(filter.vni, 16777215);
	bad("vni", "16777216", "not a tunnel network identifier from 0 to 16777215");
	good("type", "lldp");
	assert_int_equal(filter.set, FILTER_TYPE);
	assert_int_equal(filter.eth_type, 0x88cc);
	good("type", "0x8847");
	assert_int_equal(filter.eth_type, 0x8847);
	good("type", "other");
	assert_int_equal(filter.eth_type, FILTER_TYPE_OTHER);
	good("type", "all");
	assert_int_equal(filter.set, 0);
	bad("type", "0x5ff",
	    "not an EtherType: ipv4, ipv6, arp, rarp, lldp, mpls, flow_control, other or 0x0600 to 0xfffe");
	bad("type", "ip",
	    "not an EtherType: ipv4, ipv6, arp, rarp, lldp, mpls, flow_control, other or 0x0600 to 0xfffe");
	bad("dev", "", "no device name: 1 to 15 characters");
	bad("dev", "abcdefghijklmnop", "no device name: 1 to 15 characters");
	good("inner", NULL);
	assert_int_equal(filter.set, FILTER_INNER);
}

static void contradictions(void **state)
{
	static const struct {
		const char *const options[6];
		const char *said;
	} rows[] = {
		{ { "protocol", "icmpv6", "src-ip", "10.0.0.1" },
		  "--protocol icmpv6 contradicts an IPv4 address" },
		{ { "protocol", "arp", "port", "1" },
		  "--protocol arp contradicts ports and IPv6 addresses" },
		{ { "protocol", "arp", "host", "::1" },
		  "--protocol arp contradicts ports and IPv6 addresses" },
		{ { "protocol", "icmp", "dst-port", "1" },
		  "--protocol and a port contradict each other: only tcp, udp and sctp have ports" },
		{ { "inner", "" },
		  "--inner needs an address, port, protocol or type to look for inside the tunnel" },
		{ { "inner", "", "vni", "5" },
		  "--inner needs an address, port, protocol or type to look for inside the tunnel" },
		{ { "type", "lldp", "host", "10.0.0.1" },
		  "--type contradicts an address, port or protocol" },
		{ { "type", "arp", "protocol", "tcp" },
		  "--type contradicts an address, port or protocol" },
		{ { "type", "ipv4", "host", "::1" },
		  "--type contradicts an address, port or protocol" },
		{ { "type", "ipv6", "host", "10.0.0.1" },
		  "--type contradicts an address, port or protocol" },
		{ { "type", "ipv6", "protocol", "arp" },
		  "--type contradicts an address, port or protocol" },
		/* and what does not contradict itself */
		{ { "type", "arp", "host", "10.0.0.1" }, "" },
		{ { "type", "ipv4", "host", "10.0.0.1", "protocol", "tcp" }, "" },
		{ { "protocol", "arp", "host", "10.0.0.1" }, "" },
		{ { "protocol", "sctp", "port", "1", "host", "::1" }, "" },
		{ { "inner", "", "host", "10.0.0.1", "vni", "5" }, "" },
		{ { "not-host", "::1", "host", "10.0.0.1" }, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clear();
		for (int option = 0; option < 6 && rows[i].options[option]; option += 2)
			assert_int_equal(
				apply(rows[i].options[option], rows[i].options[option + 1]), 0);
		assert_int_equal(filter_finish(&run), *rows[i].said ? -EINVAL : 0);
		assert_string_equal(unit_said, rows[i].said);
	}
}

static void filtered_or_not(void **state)
{
	(void)state;
	clear();
	assert_int_equal(filter_finish(&run), 0);
	assert_false(run.filtered);
	good("protocol", "all");
	assert_int_equal(filter_finish(&run), 0);
	assert_false(run.filtered);
	good("vlan", "1");
	assert_int_equal(filter_finish(&run), 0);
	assert_true(run.filtered);
	assert_int_equal(filter_finish(&(struct run){ 0 }), 0);
}

static void namespaces(void **state)
{
	static const char none[] =
		"no such network namespace (an inode number, a path, or a name in /run/netns)";
	struct stat own;
	char folder[] = "/tmp/netns-XXXXXX", fifo[64], inode[32];

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	good("netns", "/proc/self/ns/net");
	assert_int_equal(filter.set, FILTER_NETNS);
	assert_int_equal(filter.netns, own.st_ino);
	snprintf(inode, sizeof(inode), "%lu", (unsigned long)own.st_ino);
	good("netns", inode);
	assert_int_equal(filter.netns, own.st_ino);
	/* no one has it */
	good("netns", "5");
	if (!geteuid()) {
		assert_int_equal(filter_finish(&run), -EINVAL);
		assert_string_equal(unit_said, "--netns 5: no such network namespace (an inode number, a path, or a name in "
					       "/run/netns)");
	}
	bad("netns", "0", none);
	bad("netns", "4294967296", none);
	bad("netns", "no-such-name", none);
	bad("netns", "/nowhere", none);
	bad("netns", "/proc/self/ns/net/x", none);
	bad("netns", "/proc/self/stat", none);
	bad("netns", "/proc/self/ns/mnt", none);
	/* nothing that could keep us waiting is opened */
	assert_non_null(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(10);
	bad("netns", fifo, none);
	alarm(0);
	unlink(fifo);
	rmdir(folder);
	bad("netns", "", none);
}

static void devices_here(void **state)
{
	struct stat own;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	good("dev", "lo");
	assert_int_equal(filter_finish(&run), 0);
	assert_true(run.filtered);
	assert_int_equal(filter.set, FILTER_DEVICE | FILTER_NETNS);
	assert_int_equal(filter.ifindex, 1);
	assert_int_equal(filter.netns, own.st_ino);
	assert_string_equal(filter.device, "lo");
	good("dev", "nosuch0");
	assert_int_equal(filter_finish(&run), -EINVAL);
	assert_string_equal(
		unit_said,
		"--dev nosuch0: no such device (one in another namespace needs --netns too)");
}

/* in a namespace of its own: a device that is nowhere else; then waits for its end */
static pid_t other_namespace(void)
{
	int ready[2];
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		struct ifreq request = { .ifr_name = "unit0", .ifr_flags = IFF_TUN | IFF_NO_PI };
		int tun = -1;

		if (!unshare(CLONE_NEWNET))
			tun = open("/dev/net/tun", O_RDWR);
		byte = tun >= 0 && !ioctl(tun, TUNSETIFF, &request);
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	if (byte)
		return child;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return -1;
}

static void devices_elsewhere(void **state)
{
	pid_t child = other_namespace();
	char path[64], inode[32];
	struct stat before, after, other;

	(void)state;
	if (child < 0)
		skip();	/* not root, or no tun device here */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
	assert_int_equal(stat(path, &other), 0);
	assert_int_equal(stat("/proc/self/ns/net", &before), 0);
	assert_int_not_equal(other.st_ino, before.st_ino);

	/* in either order, by path or number */
	good("dev", "unit0");
	assert_int_equal(apply("netns", path), 0);
	assert_int_equal(filter_finish(&run), 0);
	assert_int_equal(filter.netns, other.st_ino);
	assert_int_not_equal(filter.ifindex, 0);
	snprintf(inode, sizeof(inode), "%lu", (unsigned long)other.st_ino);
	good("netns", inode);
	assert_int_equal(apply("dev", "unit0"), 0);
	assert_int_equal(filter_finish(&run), 0);
	good("netns", inode);
	assert_int_equal(apply("dev", "nosuch0"), 0);
	assert_int_equal(filter_finish(&run), -EINVAL);
	assert_string_equal(unit_said, "--dev nosuch0: no such device in that namespace");
	/* and we are at home again */
	assert_int_equal(stat("/proc/self/ns/net", &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	good("dev", "unit0");
	assert_int_equal(filter_finish(&run), -EINVAL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* what the help and the docs are made of */
static void rows_are_complete(void **state)
{
	(void)state;
	for (const struct option_row *row = filter_rows; row->kind != OPTION_END; row++) {
		assert_non_null(row->name);
		assert_non_null(row->help);
		assert_non_null(row->parse);
		assert_true(row->kind == OPTION_PARSED || row->kind == OPTION_FLAG_PARSED);
		assert_int_equal(row->kind == OPTION_PARSED, row->value != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(ports),
		cmocka_unit_test(protocols),
		cmocka_unit_test(other_numbers),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(filtered_or_not),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(devices_here),
		cmocka_unit_test(devices_elsewhere),
		cmocka_unit_test(rows_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
