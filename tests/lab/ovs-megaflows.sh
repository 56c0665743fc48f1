#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ovs-megaflows.sh: each miss is one life: text as ovs-dpctl prints it, times, packets, and who ended it.
# kernels: 5.10 6.1 6.12 7
# check: 6.1 7
# topology: host
# seconds: 150

. /share/lib.sh

vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)

# Lines of the kind "event", "removed" ... of a tool, each by a jq expression.
records() { # NAME TYPE JQ-EXPRESSION
	jq -r "select(.type == \"$2\") | $3" "$work/$1.json"
}

frame() { # UDP PORT [LABGEN OPTION...]: one from the peer
	labgen frames --netns peer --dev vp1 --src 10.0.0.2 --dst 10.0.0.1 --dst-mac 52:54:00:00:00:01 \
		--dport "$1" --count 1 "${@:2}" > "$work/labgen"
}

# Memory of its own in use, in kB: the ring of events, which it shares with the kernel, is not among it.
resident() { # NAME
	sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/${tool_pids[$1]}/status"
}

records_are() { # NAME TYPE N
	[ "$(grep -c "^{\"type\":\"$2\"" "$work/$1.json")" -ge "$3" ]
}

# ---- one life a miss; packet, thread, latency, end ----

misses=10
of add-flow br-int 'priority=200,in_port=vp0,udp,tp_dst=7900,actions=output:nic0'
of add-flow br-int 'priority=200,in_port=vp0,udp,tp_dst=7901,actions=drop'
flows_delete
tool_begin all ovs megaflows
tool_begin old ovs_userspace_megaflow --ip-src 10.0.0.2 --ip-dst 10.0.0.1 --ip-proto 17 --dst-port 7900
NETSONDE_ATTACH=kp,kr tool_begin probes ovs megaflows --protocol udp --dst-port 7900
tools_ready
for ((i = 1; i <= misses; i++)); do
	flows_delete
	frame 7900
	wait_for 20 records_are old event $i || break
done
frame 7901
wait_for 20 records_are all event 1
nap 2
for name in all old probes; do
	is "$misses misses are $misses lives: ${tool_args[$name]}" \
		"$(near $name "$(records $name event 'select(.packet.udp.dst_port == 7900) | .result' | sort | uniq -c |
			awk '{ print $1, $2 }')" "$misses ok")" "$misses ok"
	is "each has its upcall, and its packet was sent on: ${tool_args[$name]}" \
		"$(records $name event 'select(.packet.udp.dst_port == 7900) | "\(.upcall) \(.executed) \(.dev) \(.comm | sub("[0-9]+"; "")) \(.latency_ns > .put_ns and .executed_ns >= .latency_ns)"' | sort -u)" \
		"true true vp0 handler true"
	tool_stop $name
	is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
	is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
done
is "the filter lets no other flow through" "$(records old event .packet.udp.dst_port | sort -u)" 7900
is "a flow that drops is put, and its packet goes nowhere" \
	"$(records all event 'select(.packet.udp.dst_port == 7901) | "\(.actions) \(.executed)"')" "drop false"

# a life of eleven packets: one misses, ten hit; then nobody needs it for three seconds. A revalidator may remove
# a flow earlier, when something else has changed: the next one lasts
life_once() { # NUMBER
	frame 7900
	wait_for 20 records_are life event "$1" || return
	labgen frames --netns peer --dev vp1 --src 10.0.0.2 --dst 10.0.0.1 --dst-mac 52:54:00:00:00:01 \
		--dport 7900 --count 10 > "$work/labgen"
	wait_for 60 records_are life removed "$1"
}

# ovs-vswitchd has a clock of its own in this lab, 100 s ahead of the kernel, by which flows were last used
ovs-vsctl set Open_vSwitch . other_config:max-idle=103000
flows_delete
tool_start life ovs megaflows --dst-port 7900 --max-idle 3s
for lives in 1 2 3 4 5; do
	life_once $lives || break
	[ "$(records life removed .why | tail -n 1)" != idle ] || break
done
is "it ends with the packets and bytes that hit it" \
	"$(records life removed '"\(.comm | sub("[0-9]+"; "")) \(.packets) \(.bytes) \(.age_ns > .idle_ns)"' | sort -u)" \
	"revalidator 10 1060 true"
is "and if nobody uses it, because of that" \
	"$(records life removed '"\(.why) \(.idle_ns > 2.7e9 and .idle_ns < 9e9)"' | tail -n 1)" "idle true" \
	"$(records life removed '"\(.why) \(.idle_ns)"')"
frame 7900
wait_for 20 records_are life event $((lives + 1))
ovs-dpctl del-flows
wait_for 20 records_are life removed $((lives + 1))
is "ovs-dpctl del-flows is a flush" \
	"$(records life removed '"\(.why) \(.comm) \(.packets)"' | tail -n 1)" "flush ovs-dpctl null"
tools_stop

# ovs-vswitchd stands still for a known time: three packets of a flow that drops wait for it, none of which comes back, and one
# GSO packet; then the first flow once more
of add-flow br-int 'priority=200,in_port=vp0,udp,tp_dst=7902,actions=output:nic0'
of add-flow br-int 'priority=200,in_port=vp0,udp,tp_dst=7904,actions=drop'
of add-flow br-int 'priority=200,in_port=vp0,udp,tp_dst=7903,actions=move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15]'
flows_delete
# flows that are never used are as old as they are, by its clock, too
tool_start stopped ovs megaflows --dst-port 7901,7902,7903 --max-idle 103s --flow-limit 30
ovs_stop
frame 7901 --count 3
head -c 1000 /dev/zero | in_ns peer socat -u - UDP4-SENDTO:10.0.0.1:7902,setsockopt-int=17:103:100
ovs_go
wait_for 20 records_are stopped event 2
flows_delete
ovs_stop
before=$EPOCHREALTIME
frame 7901 --count 3
sent=$EPOCHREALTIME
nap 2
continued=$EPOCHREALTIME
ovs_go
wait_for 20 records_are stopped event 3
after=$EPOCHREALTIME
read -r latency queued < <(records stopped event 'select(.packet.udp.dst_port == 7901) | "\(.latency_ns) \(.queued_ns)"' | tail -n 1)
is "packets that wait together for a flow that drops are one life, twice" \
	"$(records stopped event 'select(.packet.udp.dst_port == 7901) | "\(.upcall) \(.executed) \(.other_upcalls) \(.segments)"' | uniq -c |
		awk '{ print $1, $2, $3, $4, $5 }')" "2 true false 2 1"
# before 5.12 a veth pair does not take it whole: these are ten packets
is "a GSO packet is one upcall and one life, and was sent on" \
	"$(records stopped event 'select(.packet.udp.dst_port == 7902) | "\(.upcall) \(.executed) \(.other_upcalls) \(.segments)"')" \
	"$([ "$LAB_KERNEL" = 5.10 ] && echo true true 9 1 || echo true true 0 10)"
like "latency is the time that ovs-vswitchd stood still" "$(awk -v latency="$latency" -v queued="$queued" \
	-v least="${continued/./}" -v sent="${sent/./}" -v before="${before/./}" -v after="${after/./}" 'BEGIN {
	least = (least - sent) * 1000; most = (after - before) * 1000
	print (latency >= least && latency <= most ? "yes" : "no"), least, latency, most, queued }')" '^yes'

# 45 flows that nobody uses again, and then a limit of 30
flows_delete
removed_are() { # NAME PORT N
	[ "$(records "$1" removed "select(.key | contains(\"dst=$2\")) | .why" | wc -l)" -ge "$3" ]
}
frame 7903 --count 45 --spread --sport 21000
wait_for 20 records_are stopped event 48
ovs-vsctl set Open_vSwitch . other_config:flow-limit=30
wait_for 20 removed_are stopped 7903 45
is "more flows than the limit: they are removed because of that" \
	"$(records stopped removed 'select(.key | contains("dst=7903")) | "\(.why) \(.comm | sub("[0-9]+"; ""))"' | sort | uniq -c |
		awk '{ print $1, $2, $3 }')" "45 limit revalidator" "$(ovs-appctl upcall/show)"
ovs-vsctl remove Open_vSwitch . other_config flow-limit

ip link add d9 type veth peer name d9p
ovs-dpctl add-dp dp9
ovs-dpctl add-if dp9 d9

# Misses while it stands still, of which its sockets do not take all, and as many tasks that put a flow. More at once than
# the tool reads under emulation: what of it is in no record is counted.
flood() {
	local resident lost grown
	tool_start flood ovs megaflows --dst-port 7904
	ovs_stop
	resident=$(resident flood)
	lost=$(lookups_lost system@ovs-system)
	labgen udp --netns peer --dst 10.0.0.1 --dport 7904 --count 5000 --rate 2000 --spread --sport 20000 --size 1400 > "$work/flood.sent"
	lost=$(($(lookups_lost system@ovs-system) - lost))
	ovs_go
	dpflow dp9 1 20000+500 dec_ttl 1
	nap 2
	grown=$(($(resident flood) - resident))
	is "5000 misses and 500 tasks: memory does not grow by more than 6 MB" "$((grown < 6144))" 1 "$grown kB"
	tools_end
	is "nothing but records is lost" "$(tool_number flood '.lost | del(.missed, .events) | tojson')" "{}"
	[ "$lost" -gt 0 ] && ok "sockets overflow" || not_ok "sockets overflow" "$(< "$work/flood.sent")"
	is "lost upcalls are those that the datapath counts" "$(tool_number flood .lost_upcalls)" "$lost"
	is "and what became of the upcalls adds up" "$(tool_number flood '
		.upcalls - .flows - .shared - .only_executed - .lost_upcalls - .unanswered - .waiting - .forgotten_upcalls')" 0 \
		"$(grep "^{\"type\":\"total\"" "$work/flood.json")"
}
tools_stop
[ "$LAB_KERNEL" != 6.1 ] || flood

# ---- text as ovs-dpctl prints it ----

ovs-vsctl set Open_vSwitch . other_config:max-idle=600000 other_config:vlan-limit=2
ovs-vsctl add-port br-int vx0 -- set interface vx0 type=vxlan options:remote_ip=flow options:key=flow options:local_ip=10.0.0.1 \
	-- add-port br-int gn0 -- set interface gn0 type=geneve options:remote_ip=flow options:key=flow options:csum=true \
	-- add-port br-int gr0 -- set interface gr0 type=gre options:remote_ip=flow options:key=flow \
	-- add-port br-int vx6 -- set interface vx6 type=vxlan options:remote_ip=fd00::3 options:key=7 options:dst_port=4790
ovs-vsctl -- --id=@br get bridge br-int -- --id=@i create IPFIX 'targets="127.0.0.1:4739"' \
	-- create Flow_Sample_Collector_Set bridge=@br id=1 ipfix=@i > "$work/ipfix"
of add-meter br-int meter=1,pktps,bands=type=drop,rate=1000
of add-meter br-int meter=2,kbps,burst,bands=type=drop,rate=1000,burst_size=100
of add-group br-int 'group_id=1,type=all,bucket=actions=output:nic0,bucket=actions=set_field:02:00:00:00:00:01->eth_dst,output:LOCAL,bucket=actions=output:nic0'
of add-group br-int 'group_id=2,type=select,selection_method=dp_hash,bucket=actions=output:nic0,bucket=actions=output:LOCAL'
of add-group br-int 'group_id=3,type=indirect,bucket=actions=set_field:10.9.9.9->ip_dst,output:nic0'
of add-tlv-map br-int '{class=0x102,type=0x80,len=4}->tun_metadata0,{class=0x103,type=0x1,len=8}->tun_metadata1'

# A port a row, and what is done with its packets
actions='
8001|output:nic0
8002|output:nic0,LOCAL,output:nic0
8003|drop
8004|set_field:02:00:00:00:00:09->eth_dst,output:nic0
8005|set_field:02:00:00:00:00:08->eth_src,set_field:02:00:00:00:00:09->eth_dst,output:nic0
8006|set_field:10.8.8.8->ip_src,output:nic0
8007|set_field:10.8.8.8->ip_src,set_field:10.8.8.9->ip_dst,output:nic0
8008|set_field:40->ip_dscp,output:nic0
8009|dec_ttl,output:nic0
8010|mod_nw_ttl:7,mod_nw_tos:32,output:nic0
8011|set_field:99->udp_src,output:nic0
8012|set_field:99->udp_src,set_field:98->udp_dst,output:nic0
8013|push_vlan:0x8100,set_field:4196->vlan_vid,output:nic0
8014|push_vlan:0x8100,set_field:4196->vlan_vid,set_field:5->vlan_pcp,output:nic0
8015|push_vlan:0x88a8,set_field:4296->vlan_vid,output:nic0
8016|push_vlan:0x8100,set_field:4196->vlan_vid,push_vlan:0x88a8,set_field:4296->vlan_vid,output:nic0
8017|push_vlan:0x8100,set_field:4196->vlan_vid,output:nic0,pop_vlan,output:LOCAL
8018|push_mpls:0x8847,set_field:1234->mpls_label,output:nic0
8019|push_mpls:0x8847,set_field:1234->mpls_label,set_field:5->mpls_tc,push_mpls:0x8847,set_field:77->mpls_label,output:nic0
8020|set_field:0x1234->pkt_mark,output:nic0
8021|set_field:77->tun_id,set_field:10.0.0.3->tun_dst,output:vx0
8022|set_field:78->tun_id,set_field:10.0.0.3->tun_dst,set_field:0x20->ip_dscp,output:vx0
8023|set_field:79->tun_id,set_field:10.0.0.3->tun_dst,output:gn0
8024|set_field:80->tun_id,set_field:10.0.0.3->tun_dst,set_field:0xabcd->tun_metadata0,output:gn0
8025|set_field:81->tun_id,set_field:10.0.0.3->tun_dst,set_field:0xabcd->tun_metadata0,set_field:0x1122334455667788->tun_metadata1,output:gn0
8026|set_field:82->tun_id,set_field:10.0.0.3->tun_dst,output:gr0
8027|set_field:83->tun_id,set_field:10.0.0.3->tun_dst,output:vx0,set_field:84->tun_id,output:gn0,output:nic0
8028|output:vx6
8029|ct(commit,zone=5),output:nic0
8030|ct(commit,zone=6,exec(set_field:0x17->ct_mark)),output:nic0
8031|ct(commit,zone=7,exec(set_field:0x1234567890abcdef->ct_label)),output:nic0
8032|ct(table=1,zone=8)
8033|ct(commit,table=1,zone=9,exec(set_field:0x1/0xff->ct_mark))
8034|ct(commit,zone=10,nat(src=10.7.7.7)),output:nic0
8035|ct(commit,zone=11,nat(src=10.7.7.7-10.7.7.9:5000-6000,random)),output:nic0
8036|ct(commit,zone=12,nat(dst=10.7.7.7:80)),output:nic0
8037|ct(commit,zone=13,nat(dst=10.7.7.7-10.7.7.9,persistent,hash)),output:nic0
8038|ct(table=1,zone=14,nat)
8039|ct(commit,force,zone=15),output:nic0
8040|ct_clear,ct(table=1)
8041|group:1
8042|group:2
8043|group:3
8044|meter:1,output:nic0
8045|meter:2,output:nic0,LOCAL
8046|sample(probability=65535,collector_set_id=1,obs_domain_id=2,obs_point_id=3),output:nic0
8047|sample(probability=32768,collector_set_id=1,obs_domain_id=2,obs_point_id=3),output:nic0
8048|sample(probability=6553,collector_set_id=1,obs_domain_id=9,obs_point_id=8,sampling_port=nic0,egress),output:nic0
8049|controller
8050|controller(max_len=128,id=7),output:nic0
8051|output(port=nic0,max_len=100),LOCAL
8052|clone(set_field:10.6.6.6->ip_dst,output:nic0),LOCAL
8053|clone(ct(commit,zone=3),output:nic0),output:nic0
8054|check_pkt_larger(300)->NXM_NX_REG0[0],resubmit(,2)
8055|move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:00:00:00:00:01->eth_src,IN_PORT
8056|FLOOD
8057|ALL
8058|NORMAL
8059|set_field:10.0.0.77->ip_dst,ct(commit,zone=21,exec(set_field:0x5->ct_mark)),set_field:10.0.0.78->ip_dst,output:nic0
8060|output:nic0,push_vlan:0x8100,set_field:4100->vlan_vid,output:nic0,set_field:4101->vlan_vid,output:nic0,pop_vlan,output:nic0
'
# a command of several parts: 300 outputs
long=
for ((i = 0; i < 150; i++)); do
	long+=output:nic0,LOCAL,
done
actions+="8061|${long%,}
8062|decap(),encap(ethernet),set_field:02:00:00:00:00:01->eth_dst,output:nic0"
while IFS='|' read -r port list; do
	[ -z "$port" ] || echo "table=0,priority=100,in_port=vp0,udp,tp_dst=$port,actions=$list"
done <<< "$actions" > "$work/flows"
cat >> "$work/flows" <<'END'
table=1,ct_state=+new+trk,ct_zone=8,udp,actions=ct(commit,zone=8),output:nic0
table=1,ct_state=+trk,ct_mark=0x1/0xff,udp,actions=ct_clear,output:nic0
table=1,ct_state=+trk-inv,ct_zone=14,udp,ct_nw_src=10.0.0.2,ct_nw_proto=17,actions=output:LOCAL
table=1,ct_state=+trk-inv,ct_zone=33,udp6,ct_ipv6_src=fd00::2,ct_nw_proto=17,actions=output:nic0
table=1,priority=0,actions=drop
table=2,reg0=0x1,udp,actions=set_field:9->ip_dscp,output:nic0
table=2,reg0=0,udp,actions=output:LOCAL
table=0,priority=100,in_port=vp0,udp6,tp_dst=8001,actions=output:nic0
table=0,priority=100,in_port=vp0,udp6,tp_dst=8002,actions=set_field:fd00::77->ipv6_dst,output:nic0
table=0,priority=100,in_port=vp0,udp6,tp_dst=8003,actions=set_field:fd00::76->ipv6_src,set_field:0x123->ipv6_label,dec_ttl,output:nic0
table=0,priority=100,in_port=vp0,udp6,tp_dst=8004,actions=ct(commit,zone=31,nat(src=fd00::70-fd00::79)),output:nic0
table=0,priority=100,in_port=vp0,udp6,tp_dst=8005,actions=ct(commit,zone=32,nat(src=[fd00::70]:5000-6000)),output:nic0
table=0,priority=100,in_port=vp0,udp6,tp_dst=8006,actions=ct(table=1,zone=33)
table=0,priority=100,in_port=vp0,udp6,tp_dst=8007,ipv6_src=fd00::/64,ipv6_label=0x5/0xf,actions=mod_nw_tos:16,output:nic0
table=0,priority=100,in_port=vp0,tcp,tp_dst=8001,actions=output:nic0
table=0,priority=100,in_port=vp0,tcp,tp_dst=8002,tcp_flags=+syn-ack,actions=set_field:99->tcp_dst,output:nic0
table=0,priority=100,in_port=vp0,tcp,tp_dst=8003,actions=ct(commit,zone=40,alg=ftp),output:nic0
table=0,priority=100,in_port=vp0,sctp,actions=output:nic0
table=0,priority=100,in_port=vp0,icmp,icmp_type=13,actions=output:nic0
table=0,priority=100,in_port=vp0,icmp6,icmp_type=140,actions=output:nic0
table=0,priority=100,in_port=vp0,icmp6,icmp_type=135,nd_target=fd00::99,actions=output:nic0
table=0,priority=100,in_port=vp0,arp,arp_tpa=10.0.0.99,actions=set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:02:00:00:00:00:99->arp_sha,set_field:10.0.0.99->arp_spa,IN_PORT
table=0,priority=100,in_port=vp0,arp,arp_tpa=10.0.0.98,actions=output:nic0
table=0,priority=110,in_port=vp0,dl_vlan=100,actions=pop_vlan,output:nic0
table=0,priority=110,in_port=vp0,dl_vlan=101,dl_vlan_pcp=3,actions=set_field:4297->vlan_vid,output:nic0
table=0,priority=110,in_port=vp0,dl_vlan=102,udp,tp_dst=8001,actions=output:nic0
table=0,priority=110,in_port=vp0,dl_vlan=103,actions=pop_vlan,output:nic0
table=0,priority=110,in_port=vp0,dl_vlan=104,actions=output:nic0
table=0,priority=120,in_port=vp0,ip,nw_frag=first,udp,actions=output:nic0
table=0,priority=120,in_port=vp0,ip,nw_frag=later,actions=output:LOCAL
table=0,priority=100,in_port=vp0,mpls,mpls_label=16,actions=pop_mpls:0x0800,output:nic0
table=0,priority=100,in_port=vp0,mpls,mpls_label=17,mpls_bos=1,actions=set_field:18->mpls_label,output:nic0
table=0,priority=100,in_port=vp0,dl_type=0x88b5,actions=output:nic0
table=0,priority=100,in_port=vp0,dl_type=0x05ff,actions=output:nic0
table=0,priority=100,in_port=vp0,dl_dst=01:80:c2:00:00:0e,actions=output:nic0
table=0,priority=100,in_port=vp0,dl_dst=01:00:5e:00:00:00/ff:ff:ff:00:00:00,actions=output:nic0
table=0,priority=100,in_port=vx0,actions=output:nic0
table=0,priority=100,in_port=gn0,tun_id=0x5/0xff,actions=output:nic0
table=0,priority=100,in_port=gn0,tun_metadata0=0xabcd,actions=output:LOCAL
table=0,priority=100,in_port=gr0,tun_src=10.0.0.0/24,actions=output:nic0
END
of add-flows br-int "$work/flows" || not_ok "the flows are accepted"

# Its own packets come back by the tunnels; the neighbour answers at once
tunnels_send() {
	in_ns nicpeer ip link add px type vxlan id 500 local 10.0.0.3 remote 10.0.0.1 dstport 4789
	in_ns nicpeer ip link add pg type geneve id 5 remote 10.0.0.1
	in_ns nicpeer ip link add pr type gretap key 9 local 10.0.0.3 remote 10.0.0.1
	local dev
	for dev in px pg pr; do
		in_ns nicpeer ip link set $dev up
		labgen frames --netns nicpeer --dev $dev --src 10.4.4.1 --dst 10.4.4.2 --dst-mac 02:00:00:00:00:44 \
			--dport 9000 --count 1 > "$work/labgen"
	done
}

traffic() {
	local port
	while IFS='|' read -r port _; do
		[ -z "$port" ] || frame "$port"
	done <<< "$actions"
	frame 8054 --size 400
	for port in 8001 8002 8003 8004 8005 8006 8007; do
		labgen frames --netns peer --dev vp1 --src fd00::2 --dst fd00::1 --dst-mac 52:54:00:00:00:01 \
			--dport $port --count 1 > "$work/labgen"
	done
	for port in 8001 8002 8003; do
		frame $port --protocol tcp
	done
	frame 0 --protocol 132
	frame 0 --protocol icmp --icmp-type 13
	labgen frames --netns peer --dev vp1 --src fd00::2 --dst fd00::1 --protocol icmp --icmp-type 140 > "$work/labgen"
	labgen arp --netns peer --dev vp1 --src 10.0.0.2 --dst 10.0.0.99 --count 1 > "$work/labgen"
	labgen arp --netns peer --dev vp1 --src 10.0.0.2 --dst 10.0.0.98 --count 1 > "$work/labgen"
	frame 8001 --vlan 100
	frame 8001 --vlan 101:3
	frame 8001 --vlan 102
	frame 8001 --vlan 103 --vlan 203
	frame 8001 --vlan 104 --vlan 204
	frame 8001 --size 3000 --fragments 3
	# MPLS with one label and with two, types without a name, multicast
	local macs=525400000001525400000002 ip=4500002000014000401100000a0000020a000001 udp=11112222000c000000000000
	raw "${macs}884700010140$ip$udp"
	raw "${macs}884700011140$ip$udp"
	raw "${macs}88470001004000013140$ip$udp"
	raw "${macs}894f0fc60103001234ff11111111222222223333333344444444${macs}0800$ip$udp"
	raw "${macs}894f0fc60103000077ff00000005222222223333333344444444${macs}0800$ip$udp"
	raw "${macs}88b5$(printf '%092d' 0)"
	raw "${macs}0026424203$(printf '%086d' 0)"
	raw "0180c200000e52540000000288cc$(printf '%092d' 0)"
	labgen frames --netns peer --dev vp1 --src 10.0.0.2 --dst 224.1.2.3 --dst-mac 01:00:5e:01:02:03 \
		--dport 9999 --count 1 > "$work/labgen"
	# what --vlan, --dev and --type each refuse
	labgen frames --netns peer --dev vp1 --src fd00::2 --dst fd00::1 --dst-mac 52:54:00:00:00:01 \
		--dport 8001 --vlan 102 --count 1 > "$work/labgen"
	labgen frames --dev br-int --src 10.0.0.1 --dst 10.0.0.2 --dst-mac 52:54:00:00:00:02 \
		--dport 8001 --vlan 102 --count 1 > "$work/labgen"
	tunnels_send
	# neighbour solicitation for fd00::99. The last: ovs-vswitchd removes its flow when it looks at it again
	raw 3333ff00009952540000000286dd6000000000203afffd000000000000000000000000000002ff0200000000000000000001ff0000998700000000000000fd0000000000000000000000000000990101525400000002
}

# Flows that OpenFlow has no words for, in a datapath of their own
flows_put() {
	local i=0 rest=eth\(\),eth_type\(0x0800\),ipv4\(frag=no\) key list
	while IFS='|' read -r key list; do
		i=$((i + 1))
		ovs-dpctl add-flow dp9 "ufid:$(printf %08d $i)-0000-0000-0000-000000000000,recirc_id($i),${key}in_port(1),$rest" "$list" ||
			not_ok "the datapath takes the flow" "$key $list"
	done <<-'END'
	|ct(commit,zone=5,timeout=tp1),1
	|ct(commit,timeout=tp1,nat(src=10.1.1.1)),1
	tunnel(tun_id=0x7,src=10.0.0.1,dst=10.0.0.2,ttl=64,tp_src=5,tp_dst=4789,vxlan(gbp(id=50,flags=8)),flags(-df-csum+key)),|1
	tunnel(tun_id=0x7,src=10.0.0.1,dst=10.0.0.2,ttl=64,erspan(ver=1,idx=0x5),flags(-df-csum+key)),|1
	tunnel(tun_id=0x7,src=10.0.0.1,dst=10.0.0.2,ttl=64,erspan(ver=2,dir=1,hwid=0x7),flags(-df-csum+key)),|1
	|set(tunnel(tun_id=0x7,dst=10.0.0.2,ttl=64,tp_dst=4789,vxlan(gbp(id=50,flags=8)),flags(df|csum|key))),1
	|set(tunnel(tun_id=0x7,dst=10.0.0.2,ttl=64,erspan(ver=1,idx=0x5),flags(df|key))),1
	|set(tunnel(tun_id=0x7,dst=10.0.0.2,ttl=64,erspan(ver=2,dir=1,hwid=0xf),flags(df|key))),1
	|push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5678,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4),1
	|push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x5678,si=254,md2=0x10000a0412345678),1
	END
}

# ufid|key|actions of each flow that ovs-dpctl lists; without an identifier, that is null
dump_read() { # FILE [DATAPATH]
	ovs-dpctl dump-flows -m "${2-ovs-system}" |
		sed -n 's/^recirc_id/null, &/; s/^\([^ ]*\), \(.*\), packets:[0-9]*, .*, actions:\(.*\)$/\1|\2|\3/p' | sort > "$1"
}

# What the tool says of the same flows: the last word on each
lives_read() { # NAME FILE
	jq -rs '[.[] | select(.type == "event" or .type == "changed")] | group_by(.ufid)[] |
		(map(select(.key)) | last) as $put | "\($put.ufid)|\($put.key)|\(last.actions)"' \
		"$work/$1.json" | sort > "$2"
}

lives_are() { # NAME FILE: all of these flows have been reported so
	lives_read "$1" "$work/lives"
	[ -z "$(comm -23 "$2" "$work/lives")" ]
}

compare() { # NAME TITLE LEAST [DATAPATH]
	local same
	dump_read "$work/dump" "${4-ovs-system}"
	wait_for 30 lives_are "$1" "$work/dump"
	same=$(comm -12 "$work/dump" "$work/lives" | wc -l)
	is "$2: each flow that ovs-dpctl lists has the same text" \
		"$(comm -23 "$work/dump" "$work/lives")" "" \
		"$(comm -23 "$work/dump" "$work/lives" | while IFS='|' read -r ufid _; do
			grep -h "^$ufid" "$work/dump" "$work/lives"
		done | head -n 20)"
	[ "$same" -ge "$3" ] && ok "$2: these are at least $3" || not_ok "$2: these are at least $3" "$same"
}

ovs-dpctl del-flows dp9
flows_delete
tool_begin text ovs megaflows --raw --max-idle 600s
tool_begin tagged ovs megaflows --netns /proc/self/ns/net --type ipv4 --dev vp0 --vlan 102
tool_begin elsewhere ovs megaflows --netns peer
tool_begin ping ovs megaflows --protocol icmp --src-ip 10.0.0.9
tools_ready
traffic
nap 1
compare text "flows of all kinds" 80
is "--netns, --type, --dev and --vlan let through one flow of all" \
	"$(records tagged event '"\(.dev) \(.packet.vlan[0].id) \(.packet.ip.dst)"')" "vp0 102 10.0.0.1"
is "a command of several parts is whole" "$(records text event 'select(.packet.udp.dst_port == 8061) | .actions | split(",") | length')" 300
if [ -n "${LAB_VECTORS-}" ]; then
	ovs-dpctl show | sed -n 's/^ *port \([0-9]*\): \([^ ]*\).*/\1 \2/p' > out/ports
	cp "$work/dump" out/dump
	cp "$work/text.json" out/text.json
fi
# words for each action and each part of a key that was there
for word in 'tunnel(' 'geneve({' 'ct(commit' 'nat(src' 'nat(dst' 'set(ipv4(' 'set(eth(' 'set(tunnel(' 'set(ipv6(' 'sample(' \
	'meter(' 'clone(' 'check_pkt_len(' 'recirc(' 'hash(' 'push_vlan(' 'pop_vlan' 'push_mpls(' 'pop_mpls(' 'encap(' 'trunc(' \
	'controller(' 'ct_clear' 'set(skb_mark(' 'arp(' 'nd(' 'mpls(' 'sctp(' 'tcp_flags(' 'icmpv6(' 'frag=later' 'ct_tuple4(' \
	'set(udp(' 'label=' 'helper=ftp' 'flow_sample(' 'ct_tuple6(' 'nat(src=fd00' 'nsh(' 'push_eth(' 'pop_eth'; do
	grep -qF "$word" "$work/dump" && ok "among them: $word" || not_ok "among them: $word"
done

# what OpenFlow has no words for
flows_put
compare text "flows of a datapath without ovs-vswitchd" 10 dp9
# ovs-dpctl 3.1 has no word for it
dpflow dp9 1 7999 dec_ttl 1
wait_for 20 eval 'records text event "select(.ufid == null) | .actions" | grep -q .'
is "and one with dec_ttl" "$(records text event 'select(.ufid == null) | .actions')" "dec_ttl(le_1(drop)),d9"
ovs-dpctl del-flow dp9 "ufid:00000001-0000-0000-0000-000000000000,recirc_id(1),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)"
wait_for 20 eval 'records text removed .why | grep -q deleted'
is "a flow removed alone" "$(records text removed 'select(.why == "deleted") | "\(.comm) \(.actions)"')" \
	"ovs-dpctl ct(commit,zone=5,timeout=tp1),d9"
ovs-dpctl del-dp dp9
wait_for 20 eval 'records text removed .why | grep -q datapath'
is "flows whose datapath goes" "$(records text removed 'select(.why == "datapath") | "\(.pid) \(.packets)"' | uniq -c |
	awk '{ print $1, $2, $3 }')" "10 null null"

# a flow whose actions change while it lives
of mod-flows br-int 'in_port=vp0,udp,tp_dst=8001,actions=output:LOCAL'
wait_for 20 records_are text changed 1
compare text "after its actions changed" 80

# a rule that asks for more of the packet than the flow's mask does
of add-flow br-int 'priority=300,in_port=vp0,udp,tp_dst=8002,nw_tos=4,actions=drop'
wait_for 20 eval 'records text removed .key | grep -q dst=8002'
is "a flow that no longer does what the rules say" \
	"$(records text removed 'select(.key | contains("dst=8002")) | "\(.why) \(.comm | sub("[0-9]+"; ""))"' | sort -u)" \
	"revalidated revalidator"

# sampling of the whole bridge
ovs-vsctl -- --id=@s create sFlow agent=lo 'targets="127.0.0.1:6343"' sampling=10 -- set bridge br-int sflow=@s > "$work/sflow"
flows_delete
frame 8001
frame 8013
frame 8002
wait_for 20 records_are text event 3
nap 1
compare text "with sFlow" 3
grep -qF 'sFlow(' "$work/dump" && ok "among them: sFlow(" || not_ok "among them: sFlow(" "$(cat "$work/dump")"
for name in elsewhere ping; do
	is "a filter for other packets shows none of this: ${tool_args[$name]}" "$(records $name event 1 | wc -l)" 0
done
tools_stop

# ovs-vswitchd goes and comes again
flows_delete
tool_start again ovs megaflows --dst-port 7905
frame 7905
wait_for 20 records_are again event 1
kill "$vswitchd"
wait_for 20 eval "! kill -0 $vswitchd 2> $work/kill.err"
ovs_begin
wait_for 30 ping -q -c 1 -W 1 10.0.0.2 > "$work/ping"
flows_delete
frame 7905
wait_for 20 records_are again event 2
tool_stop again
is "ovs-vswitchd restarted: a flow before and one after it, by another process" \
	"$(records again event '"\(.result) \(.upcall) \(.packet.udp.dst_port)"' | xargs) $(records again event .pid | sort -u | wc -l)" \
	"ok true 7905 ok true 7905 2" "$(tail -n 3 "$work/again.json")"
is "ovs-vswitchd restarted: nothing is lost" "$(lost_by again)" '{}'
finish
