//! What can be asked, and what is said where nothing or too much answers.

use podnet::analyze::services::{ServicesError, ServicesQuery, services};
use podnet::model::view::NodeView;

use crate::built::Node;
use crate::world::Rules;

fn ask(rules: Rules, text: &str, namespace: Option<&str>) -> Result<Vec<String>, ServicesError> {
    let node = rules.node();
    let query = ServicesQuery {
        text: Some(text.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ServicesQuery::default()
    };
    let answer = services(&[&node as &dyn NodeView], &query)?;
    Ok(answer.data.services.iter().map(|port| port.title.clone()).collect())
}

#[test]
fn every_form_finds_the_same_service() {
    let cases: [(&str, &[&str]); 18] = [
        ("web", &["default/web:http"]),
        ("default/web", &["default/web:http"]),
        ("default/web:http", &["default/web:http"]),
        ("web:http", &["default/web:http"]),
        ("svc:web", &["default/web:http"]),
        ("web-a", &["default/web-affinity:http"]),
        ("kube", &["kube-system/kube-dns:dns", "kube-system/kube-dns:dns-tcp"]),
        ("multi", &["default/multi:alt", "default/multi:http", "default/multi:sctp", "default/multi:udp"]),
        ("10.32.0.205", &["default/web:http"]),
        ("10.32.0.205:80", &["default/web:http"]),
        ("10.32.0.10:53", &["kube-system/kube-dns:dns", "kube-system/kube-dns:dns-tcp"]),
        ("[fd00:32::c5d2]:80", &["default/dual:http"]),
        ("fd00:32::c5d2", &["default/dual:http"]),
        ("31088", &["default/nginx:http"]),
        ("31093", &["default/empty-np:http"]),
        ("203.0.113.10:80", &["default/lb-local:http"]),
        ("10.32.0.186:80", &["default/empty:http"]),
        ("10.32.0.181", &["default/int-local-far:http"]),
    ];
    for rules in Rules::RECORDED {
        for (text, expected) in cases.iter().filter(|(text, _)| *text != "kube") {
            assert_eq!(ask(rules, text, None).unwrap(), *expected, "{rules:?} {text}");
        }
    }
    // `kube` begins both kube-dns and kubernetes.
    let error = ask(Rules::Iptables, "kube", None).unwrap_err();
    assert_eq!(error.to_string(), "\"kube\" is ambiguous: default/kubernetes, kube-system/kube-dns");
    assert_eq!(ask(Rules::Iptables, "kube", Some("kube-system")).unwrap(), cases[6].1);
    // The health check's port is a service's too.
    assert_eq!(ask(Rules::Iptables, "30504", None).unwrap(), ["default/lb-local:http"]);
}

#[test]
fn a_pods_services_are_those_that_have_it_as_an_endpoint() {
    let expected = ["default/ext-ip:http", "default/lb-ranges:http", "default/nginx:http"];
    for rules in Rules::RECORDED {
        for text in ["pod:nginx", "pod:default/nginx", "10.200.0.32"] {
            assert_eq!(ask(rules, text, None).unwrap(), expected, "{rules:?} {text}");
        }
        // No service is called so, a pod is.
        assert_eq!(
            ask(rules, "coredns-a", None).unwrap(),
            ["kube-system/kube-dns:dns", "kube-system/kube-dns:dns-tcp"]
        );
        // It has the node's address: whatever serves there.
        assert_eq!(ask(rules, "pod:hostnet", None).unwrap(), ["default/dual:http", "default/hostnet:http"]);
        assert_eq!(ask(rules, "pod:client", None).unwrap(), [""; 0]);
    }
}

#[test]
fn what_nobody_answers_to_is_explained() {
    let said = |rules: Rules, text: &str| ask(rules, text, None).unwrap_err().to_string();
    let headless = "; headless and ExternalName services leave nothing in the kernel";
    assert_eq!(said(Rules::Iptables, "headless"), format!("no service \"headless\" on worker-0{headless}"));
    assert_eq!(said(Rules::Iptables, "4000"), "no service \"4000\" on worker-0");
    assert_eq!(
        said(Rules::Iptables, "10.32.0.205:81"),
        "no service \"10.32.0.205:81\" on worker-0; 10.32.0.205 has 80 (default/web:http); no rule is about port 81, so \
         in iptables mode such a packet is routed on as it is, usually by the default route"
    );
    assert_eq!(
        said(Rules::Nftables, "10.32.0.205:81"),
        "no service \"10.32.0.205:81\" on worker-0; a packet to 10.32.0.205 on a port that no service has is rejected \
         (chain cluster-ips-check)"
    );
    assert_eq!(
        said(Rules::Nftables, "10.32.0.77:80"),
        "no service \"10.32.0.77:80\" on worker-0; a packet to 10.32.0.77 on a port that no service has is dropped \
         (chain cluster-ips-check)"
    );
    assert_eq!(said(Rules::Nftables, "192.0.2.99:80"), "no service \"192.0.2.99:80\" on worker-0");
    assert_eq!(said(Rules::Iptables, "pod:none"), "\"none\" names no pod on worker-0");
}

#[test]
fn a_node_without_rules_says_so() {
    let node = Node::new("worker-0").done();
    let query = ServicesQuery { text: Some("web".to_owned()), ..ServicesQuery::default() };
    let error = services(&[&node as &dyn NodeView], &query).unwrap_err();
    assert_eq!(error.to_string(), "no service \"web\" on worker-0; no rules of kube-proxy's are hooked in");
    let all = services(&[&node as &dyn NodeView], &ServicesQuery::default()).unwrap();
    assert_eq!((all.data.services.len(), all.exit_code()), (0, 0));
}

#[test]
fn a_namespace_narrows_the_list() {
    let node = Rules::Nftables.node();
    let query = ServicesQuery { namespace: Some("kube-system".to_owned()), ..ServicesQuery::default() };
    let answer = services(&[&node as &dyn NodeView], &query).unwrap();
    let names: Vec<&str> = answer.data.services.iter().map(|port| port.title.as_str()).collect();
    assert_eq!(names, ["kube-system/kube-dns:dns", "kube-system/kube-dns:dns-tcp"]);
}

#[test]
fn endpoints_alone_are_those_of_the_whole_answer() {
    for rules in Rules::RECORDED {
        let node = rules.node();
        let ask = |text: &str, endpoints_only| {
            let query = ServicesQuery { text: Some(text.to_owned()), endpoints_only, ..ServicesQuery::default() };
            services(&[&node as &dyn NodeView], &query).unwrap().data.services
        };
        for port in &services(&[&node as &dyn NodeView], &ServicesQuery::default()).unwrap().data.services {
            let alone = ask(&port.title, true);
            assert_eq!(alone.len(), 1, "{rules:?} {}", port.title);
            let told = |port: &podnet::analyze::services::types::ServicePort| -> Vec<_> {
                let shares = |one: &podnet::analyze::services::types::Endpoint| {
                    (one.address, one.port, crate::oracle::share(one.cluster), one.chain.clone(), one.first_packets)
                };
                port.endpoints.iter().map(shares).collect()
            };
            assert_eq!(told(&alone[0]), told(port), "{rules:?} {}", port.title);
            assert_eq!(alone[0].title, port.title);
        }
    }
}
