"""Definitions put together at random from fragments that people write, the same in every run."""

from __future__ import annotations

from random import Random

NAME = "<name>made{number}</name>"
ONE_OF: tuple[tuple[str, ...], ...] = (
    ("", "<uuid>8369f1ac-7e46-e869-4ca5-{number:012x}</uuid>"),
    ("", "<title>A title, &lt;with&gt; 'quotes'</title>"),
    ("", "<description>Two\nlines &amp; more</description>"),
    ("", "<metadata><a:x xmlns:a='urn:a' b='1'>t</a:x></metadata>"),
    (
        "<memory>65536</memory>",
        "<memory unit='MiB'>100</memory>",
        "<memory unit='MB'>100</memory>",
        "<memory unit='G'>1</memory><currentMemory unit='MiB'>300</currentMemory>",
        "<memory unit='bytes'>123456789</memory><currentMemory>1</currentMemory>",
        "<memory unit='k'>4096</memory><currentMemory unit='GiB'>2</currentMemory>",
    ),
    (
        "",
        "<blkiotune><weight>100</weight></blkiotune>",
        "<blkiotune><device><path>/dev/sda</path><write_iops_sec>7</write_iops_sec>"
        "<read_bytes_sec>1048576</read_bytes_sec></device></blkiotune>",
    ),
    (
        "",
        "<memtune><hard_limit unit='MiB'>200</hard_limit></memtune>",
        "<memtune><swap_hard_limit unit='G'>1</swap_hard_limit>"
        "<soft_limit>5000</soft_limit></memtune>",
    ),
    (
        "",
        "<vcpu>4</vcpu>",
        "<vcpu cpuset='0-3,^1'>2</vcpu>",
        "<vcpu placement='static' current='1'>3</vcpu>",
        "<vcpu cpuset='5,4,3'>2</vcpu>",
    ),
    (
        "",
        "<cputune><shares>2048</shares></cputune>",
        "<cputune><quota>-1</quota><period>50000</period></cputune>",
    ),
    (
        "",
        "<numatune><memory mode='strict' nodeset='0'/></numatune>",
        "<numatune><memory nodeset='0,1' mode='interleave'/></numatune>",
    ),
    ("", "<resource><partition>/machine/some</partition></resource>"),
    (
        "<os><type>exe</type><init>/sbin/init</init></os>",
        "<os><init>/bin/sh</init><type arch='x86_64'>exe</type><initarg>-c</initarg>"
        "<initarg>exit 0</initarg></os>",
        "<os><type arch='i686'>exe</type><initenv name='A'>b c</initenv>"
        "<init>/sbin/init</init><initenv name='C'>d</initenv></os>",
        "<os><type>exe</type><init>/i</init><initgroup>g</initgroup><inituser>1000</inituser>"
        "<initdir>/tmp</initdir><cmdline>a b</cmdline></os>",
    ),
    (
        "",
        "<idmap><uid start='0' target='1000' count='10'/><gid start='0' target='1000' count='5'/>"
        "</idmap>",
        "<idmap><uid start='10' target='5000' count='10'/><gid start='0' target='1' count='5'/>"
        "<uid start='0' target='1000' count='10'/></idmap>",
    ),
    (
        "",
        "<features><privnet/></features>",
        "<features><capabilities policy='deny'><sys_time state='on'/><chown state='on'/>"
        "</capabilities><acpi/></features>",
        "<features><capabilities policy='allow'/></features>",
        "<features><pae/><apic/><privnet/><capabilities><mknod state='off'/></capabilities>"
        "</features>",
    ),
    (
        "",
        "<clock offset='utc'/>",
        "<clock offset='localtime'><timer name='rtc' present='yes'/></clock>",
        "<clock offset='localtime'><timer name='hpet' present='no'/><timer name='rtc'/></clock>",
    ),
    ("", "<on_poweroff>preserve</on_poweroff>", "<on_reboot>destroy</on_reboot>"),
    ("", "<on_crash>restart</on_crash>", "<on_crash>preserve</on_crash>"),
    ("", "<seclabel type='none' model='none'/>"),
)
FILESYSTEMS = (
    "<filesystem><source dir='/srv/a'/><target dir='/'/></filesystem>",
    "<filesystem type='mount'><target dir='/x'/><source dir='/srv/b'/><readonly/></filesystem>",
    "<filesystem type='ram'><source usage='5' units='MB'/><target dir='/ram'/></filesystem>",
    "<filesystem type='ram'><source usage='100'/><target dir='/ram2'/></filesystem>",
    "<filesystem type='bind'><source dir='/in'/><target dir='/out'/></filesystem>",
    "<filesystem type='block' accessmode='squash'><source dev='/dev/sdb'/><target dir='/blk'/>"
    "</filesystem>",
    "<filesystem type='file'><driver type='loop' format='raw'/><source file='/i.img'/>"
    "<target dir='/img'/><space_hard_limit unit='M'>5</space_hard_limit></filesystem>",
)
INTERFACES = (
    "<interface type='network'><source network='default'/></interface>",
    "<interface type='network'><mac address='52:54:0:A:b:C'/><source network='other'/>"
    "<guest dev='eth5'/><link state='up'/></interface>",
    "<interface type='bridge'><source bridge='br0'/><target dev='vnet7'/>"
    "<ip address='10.0.0.2' prefix='24'/><route address='0.0.0.0' gateway='10.0.0.1'/>"
    "<mtu size='1400'/></interface>",
    "<interface type='bridge'><source bridge='br1'/><target dev='front0'/><ip family='ipv6' "
    "address='fd00::2' prefix='64'/><route family='ipv6' address='fd01::' prefix='32' "
    "gateway='fd00::1' metric='3'/></interface>",
    "<interface type='ethernet'><source><ip address='10.1.0.1' prefix='30' peer='10.1.0.2'/>"
    "</source><model type='virtio'/></interface>",
    "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>",
    "<interface type='bridge'><source bridge='br0'/><bandwidth><outbound peak='9' average='5'/>"
    "</bandwidth><filterref filter='clean-traffic'/></interface>",
    "<interface type='bridge'><port isolated='yes'/><source bridge='br0'/><bandwidth>"
    "<inbound average='5' burst='7'/></bandwidth></interface>",
    "<interface type='bridge'><source bridge='br0'/><virtualport type='openvswitch'/><vlan>"
    "<tag id='42'/></vlan></interface>",
    "<interface type='bridge'><source bridge='br0'/><vlan><tag nativeMode='untagged' id='7'/>"
    "<tag id='9'/></vlan><virtualport type='openvswitch'><parameters profileid='web' "
    "interfaceid='09B11C53-8b5c-4eeb-8f00-d84eaa0aaa4f'/></virtualport></interface>",
    "<interface type='direct'><source dev='eth0'/><vlan trunk='yes'><tag id='3'/></vlan>"
    "<virtualport type='802.1Qbg'><parameters typeid='0x010203' managerid='11' "
    "typeidversion='2'/></virtualport></interface>",
)
OTHERS = (
    "<disk type='file'><source file='/i.raw'/><target dev='sdd'/><driver type='raw' name='loop'/>"
    "<readonly/></disk>",
    "<disk type='block'><iotune><write_iops_sec>9</write_iops_sec><read_bytes_sec>4096"
    "</read_bytes_sec></iotune><source dev='/dev/sdz'/><target dev='vdb'/></disk>",
    "<hostdev mode='capabilities' type='misc'><source><char>/dev/tty9</char></source></hostdev>",
    "<hostdev mode='capabilities' type='storage'><source><block>/dev/sdc</block></source>"
    "</hostdev>",
    "<hostdev mode='capabilities' type='net'><source><interface>eth4</interface></source>"
    "<ip address='10.2.0.1' prefix='8'/></hostdev>",
    "<hostdev type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>",
    "<emulator>/usr/lib/libvirt/libvirt_lxc</emulator>",
)


def definition(number: int) -> str:
    """One document; the same number gives the same one."""
    random = Random(number)
    parts = [NAME.format(number=number)]
    for choices in ONE_OF:
        # The plain form is the usual one.
        chosen = choices[0] if random.random() < 0.4 else random.choice(choices)
        parts.append(chosen.format(number=number))
    head = parts[:1]
    rest = parts[1:]
    random.shuffle(rest)
    devices = random.sample(FILESYSTEMS, random.randrange(3))
    devices += random.sample(INTERFACES, random.randrange(3))
    devices += random.sample(OTHERS, random.randrange(3))
    devices += ["<console type='pty'/>"] * random.choice((1, 1, 1, 2, 3))
    random.shuffle(devices)
    body = "\n".join([*head, *filter(None, rest), "<devices>", *devices, "</devices>"])
    return f"<domain type='lxc'>\n{body}\n</domain>\n"
