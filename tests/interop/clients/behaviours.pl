# What libvirt's compatibility suite asks of a driver, asked by Sys::Virt, the library under it.
# Arguments: the URI, a file with a domain's XML, a folder for pools. Prints "ok|not ok NAME".
use strict;
use warnings;
use Sys::Virt;

my ($uri, $file, $folder) = @ARGV;
open(my $handle, '<', $file) or die $!;
my $template = do { local $/; <$handle> };
my $conn = Sys::Virt->new(uri => $uri);

# The three kinds of things that are defined, made and destroyed alike. Codes are libvirt's.
my %kinds = (
    domain => {
        xml => sub { my ($name, $uuid) = @_; my $xml = $template;
            $xml =~ s{<name>.*?</name>}{<name>$name</name>};
            $xml =~ s{</name>}{</name><uuid>$uuid</uuid>} if $uuid; $xml },
        define => sub { $conn->define_domain($_[0]) }, make => sub { $conn->create_domain($_[0]) },
        by_name => sub { $conn->get_domain_by_name($_[0]) }, gone => 42,
        active => sub { map { $_->get_name } $conn->list_domains },
        inactive => sub { map { $_->get_name } $conn->list_defined_domains },
    },
    network => {
        xml => sub { my ($name, $uuid) = @_; my $id = $uuid ? "<uuid>$uuid</uuid>" : "";
            "<network><name>$name</name>$id<bridge name='$name'/></network>" },
        define => sub { $conn->define_network($_[0]) }, make => sub { $conn->create_network($_[0]) },
        by_name => sub { $conn->get_network_by_name($_[0]) }, gone => 43,
        active => sub { map { $_->get_name } $conn->list_networks },
        inactive => sub { map { $_->get_name } $conn->list_defined_networks },
    },
    pool => {
        xml => sub { my ($name, $uuid) = @_; my $id = $uuid ? "<uuid>$uuid</uuid>" : "";
            mkdir "$folder/$name";
            "<pool type='dir'><name>$name</name>$id<target><path>$folder/$name</path></target></pool>" },
        define => sub { $conn->define_storage_pool($_[0]) },
        make => sub { $conn->create_storage_pool($_[0]) },
        by_name => sub { $conn->get_storage_pool_by_name($_[0]) }, gone => 49,
        active => sub { map { $_->get_name } $conn->list_storage_pools },
        inactive => sub { map { $_->get_name } $conn->list_defined_storage_pools },
    },
);
my ($one, $two) = ("11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555");

sub ok { my ($good, $name) = @_; print $good ? "ok" : "not ok", " $name\n"; }
# Whether a call is refused, with this code if one is named.
sub refused { my ($call, $code) = @_; my $lived = eval { $call->(); 1 };
    return !$lived && ref($@) && (!defined $code || $@->code == $code); }
sub has { my ($name, @names) = @_; return scalar grep { $_ eq $name } @names; }

for my $kind (sort keys %kinds) {
    my %it = %{$kinds{$kind}};
    my $start = sub { $_[0]->create };

    my $thing = $it{make}->($it{xml}->("tck"));
    ok(has("tck", $it{active}->()) && !has("tck", $it{inactive}->()), "$kind: transient: runs");
    ok(refused(sub { $thing->set_autostart(1) }), "$kind: transient: no autostart");
    $thing->destroy;
    ok(refused(sub { $it{by_name}->("tck") }, $it{gone}), "$kind: transient: gone");

    $thing = $it{define}->($it{xml}->("tck"));
    ok(has("tck", $it{inactive}->()) && !has("tck", $it{active}->()), "$kind: persistent: rests");
    $start->($thing);
    ok(has("tck", $it{active}->()) && !has("tck", $it{inactive}->()), "$kind: persistent: runs");
    ok(refused(sub { $start->($thing) }, 55), "$kind: persistent: not twice");
    $thing->destroy;
    ok(has("tck", $it{inactive}->()), "$kind: persistent: rests again");
    ok(refused(sub { $thing->destroy }, 55), "$kind: inactive: no destroy");
    $thing->set_autostart(1);
    ok($thing->get_autostart, "$kind: autostart on");
    $thing->set_autostart(0);
    ok(!$thing->get_autostart, "$kind: autostart off");
    $thing->undefine;
    ok(refused(sub { $it{by_name}->("tck") }, $it{gone}), "$kind: persistent: gone");

    $thing = $it{make}->($it{xml}->("tck", $one));
    $it{define}->($it{xml}->("tck", $one));
    $thing->destroy;
    ok(has("tck", $it{inactive}->()), "$kind: a transient one becomes persistent");
    for my $way (qw(define make)) {
        ok(refused(sub { $it{$way}->($it{xml}->("tck", $two)) }, 9), "$kind: $way: other uuid");
        ok(refused(sub { $it{$way}->($it{xml}->("other", $one)) }, 9), "$kind: $way: other name");
    }
    ok($it{by_name}->("tck")->get_uuid_string eq $one, "$kind: the first one stays");
    $it{by_name}->("tck")->undefine;
}

my $dom = $conn->define_domain($kinds{domain}{xml}->("tck"));
for my $call (qw(suspend resume shutdown reboot)) {
    my @flags = $call eq "reboot" ? (0) : ();
    ok(refused(sub { $dom->$call(@flags) }, 55), "domain: inactive: no $call");
}
$dom->create;
my %wanted = ("inbound.average" => 1000, "inbound.peak" => 1001, "inbound.burst" => 1002,
    "outbound.average" => 1003, "outbound.peak" => 1004, "outbound.burst" => 1005);
my ($target) = $dom->get_xml_description =~ m{<interface.*?<target dev='(.*?)'/>}s;
$dom->set_interface_parameters($target, {%wanted});
my $told = $dom->get_interface_parameters($target);
ok($told->{$_} == $wanted{$_}, "interface parameters: $_") for sort keys %wanted;
$dom->destroy;
$dom->undefine;
