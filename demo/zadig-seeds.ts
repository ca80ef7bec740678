/**
 * The examples that Zadig's own documents print, value by value: two releases (1.6 and 2.2) and the artifact that a
 * trace finds.
 */

/** The release in the list of the 1.6 document. */
export const sampleRelease = {
  versionInfo: {
    id: "5d357d6c953ff70001b63678",
    version: "v0.1.4",
    orgId: 1,
    productName: "koderover-sample",
    workflowName: "koderover-sample",
    taskId: 53,
    desc: "",
    createdBy: "koderover",
    labels: [],
    productEnvInfo: {
      id: "",
      product_name: "koderover-sample",
      create_time: 0,
      update_time: 0,
      status: "",
      revision: 0,
      enabled: false,
      env_name: "dev",
      update_by: "",
      auth: [],
      visibility: "",
      enable_stcov: false,
      services: [
        [
          {
            service_name: "nginx-sample",
            type: "k8s",
            revision: 7,
            containers: [
              {
                name: "nginx-sample",
                image: "docker-registy.example.com/customerdockernamespace/nginx-sample:20190710164653-50-master",
              },
            ],
            render: {
              name: "koderover-dev-koderover-sample",
              revision: 4,
              product_tmpl: "koderover-sample",
              description: "",
            },
          },
        ],
        [
          {
            service_name: "http",
            type: "k8s",
            revision: 1,
            containers: [
              {
                name: "nginx",
                image: "docker-registy.example.com/customerdockernamespace/nginx:20190722170829-53-master",
              },
            ],
            render: {
              name: "koderover-dev-koderover-sample",
              revision: 4,
              product_tmpl: "koderover-sample",
              description: "",
            },
          },
        ],
      ],
      render: {
        name: "koderover-dev-koderover-sample",
        revision: 4,
        product_tmpl: "koderover-sample",
        description: "",
      },
      error: "",
      vars: [
        {
          key: "nginxVersion",
          value: "1.5.0",
          alias: "{{.nginxVersion}}",
          state: "present",
          services: ["nginx-sample", "http"],
        },
      ],
      isPublic: false,
      roleIds: [],
      recycle_day: 0,
    },
    created_at: 1563786604,
    deleted_at: 0,
  },
  buildInfo: [
    {
      id: "5d357d6c953ff70001b63679",
      releaseId: "5d357d6c953ff70001b63678",
      serviceName: "nginx",
      imageInfo: {
        repoName: "customerdockernamespace/nginx",
        tagName: "20190722170829-53-master",
        imageSize: 44608016,
        imageDigest: "sha256:47b3acc3426fe07850974e63f16d11b02ffbf3bce8737e865608cea70937b762",
        author: "",
        architecture: "amd64",
        dockerVersion: "17.06.2-ce",
        os: "linux",
        creationTime: "2019-07-22 17:08:57 +0800 CST",
        updateTime: "2019-07-22 17:09:00 +0800 CST",
      },
      imageName: "regist/customerdockernamespace/nginx:20190722170829-53-master",
      packageInfo: null,
      issues: [],
      commits: [
        {
          source: "gitlab",
          repo_owner: "customer-waimai",
          repo_name: "customer-o2o-shop",
          remote_name: "origin",
          branch: "master",
          commit_id: "7d9b1df316773d33ef7799008267f2b7ae16f6ba",
          is_primary: false,
          codehost_id: 24,
          oauth_token: "******",
          address: "http://172.16.3.240",
        },
      ],
      start_time: 1563786512,
      end_time: 1563786536,
      created_at: 1563786605,
      deleted_at: 0,
    },
  ],
  deployInfo: [
    {
      id: "5d357d6d953ff70001b6367a",
      releaseId: "5d357d6c953ff70001b63678",
      serviceName: "http",
      containerName: "nginx",
      yamlContents: [
        'apiVersion: v1\nkind: Service\nmetadata:\n  name: nginx\n  labels:\n    app: nginx\n    tier: backend\n    version: "1.5.0"\nspec:\n  type: NodePort\n  ports:\n    # the port that this service should serve on\n  - port: 80\n  selector:\n    app: nginx\n    tier: backend\n---\napiVersion: extensions/v1beta1\nkind: Deployment\nmetadata:\n  name: nginx\nspec:\n  # modify it according to your case\n  replicas: 2\n  template:\n    metadata:\n      labels:\n        app: nginx\n        tier: backend\n        version: "1.5.0"\n    spec:\n      containers:\n      - name: nginx\n        image: docker-registy.example.com/customerdockernamespace/nginx:20190722170829-53-master\n        ports:\n        - containerPort: 80\n        volumeMounts:\n          - name: static-page\n            mountPath: /usr/share/nginx/html\n      volumes:\n        - name: static-page\n          configMap:\n            name: static-page\n        \n---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: nginx-expose\nspec:\n  rules:\n  - host: dev-nginx-expose.app.example.com\n    http:\n      paths:\n      - backend:\n          serviceName: nginx\n          servicePort: 80\n        path: /\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: static-page\n  labels:\n    app.kubernetes.io/instance: poetry\n    app.kubernetes.io/name: poetry-portal-config\ndata:\n  index.html: |-\n      <!DOCTYPE html>\n      <html lang="en">\n      <head>\n          <meta charset="UTF-8">\n          <meta name="viewport" content="width=device-width, initial-scale=1.0">\n          <meta http-equiv="X-UA-Compatible" content="ie=edge">\n          <title>This is an example site</title>\n      </head>\n      <body>\n          <h1>Service is running: namesapce=koderover-dev-koderover-sample envName=dev product=koderover-sample service=http</h1>\n          <p>\n              Contact <a href="mailto:support@koderover.com">support@koderover.com</a> for more information\n          </p>\n      </body>\n      </html>\n',
      ],
      envs: [],
      orderedServices: [["nginx-sample"], ["http"]],
      start_time: 1563786536,
      end_time: 1563786542,
      created_at: 1563786605,
      deleted_at: 0,
    },
  ],
  testInfo: [
    {
      id: "5d357d6d953ff70001b6367b",
      releaseId: "5d357d6c953ff70001b63678",
      testReports: [
        {
          testResultPath: "service_automation/report",
          workflowName: "koderover-sample",
          taskId: 53,
          testName: "service_automation_service_sample",
          testSuite: { tests: 0, failures: 0, skips: 0, errors: 0, time: 17.801, testcase: [] },
          performanceTestSuite: [],
          start_time: 1563786542,
          end_time: 1563786563,
        },
      ],
      created_at: 1563786605,
      deleted_at: 0,
    },
  ],
  distributeInfo: [
    {
      id: "5d357d6d953ff70001b6367c",
      releaseId: "5d357d6c953ff70001b63678",
      serviceName: "nginx",
      distributeType: "image",
      registryName: "docker-registy.example.com/customer-service-prod/nginx:20190722170829-53-master",
      namespace: "customer-service-prod",
      packageFile: "",
      remoteFileKey: "",
      destStorageUrl: "",
      srcStorageUrl: "",
      start_time: 1563786569,
      end_time: 1563786579,
      created_at: 1563786605,
      deleted_at: 0,
    },
  ],
  securityStatsInfo: [
    {
      imageName: "docker-registy.example.com/customerdockernamespace/nginx:20190722170829-53-master",
      imageId: "47b3acc3426fe07850974e63f16d11b02ffbf3bce8737e865608cea70937b762",
      deliverySecurityStatsInfo: {
        total: 325,
        unkown: 0,
        negligible: 106,
        low: 45,
        medium: 112,
        high: 62,
        critical: 0,
      },
    },
  ],
} as const;

/** The release in the list of the 2.2 document. */
export const testRelease = {
  versionInfo: {
    id: "619dbaa8c528c2182225e8d9",
    version: "test",
    productName: "nginx2",
    workflowName: "nginx2-ops-workflow",
    taskId: 1,
    desc: "test",
    labels: ["test"],
    productEnvInfo: {
      id: "000000000000000000000000",
      product_name: "nginx2",
      create_time: 0,
      update_time: 0,
      namespace: "nginx2-env-dev",
      status: "",
      revision: 0,
      enabled: false,
      env_name: "dev",
      update_by: "",
      auth: [],
      visibility: "",
      services: [
        [
          {
            service_name: "nginx",
            product_name: "nginx2",
            type: "k8s",
            revision: 1,
            containers: [
              {
                name: "nginx-test",
                image: "koderover.tencentcloudcr.com/koderover-demo/nginx-test:20211116230712-1-master",
              },
            ],
            render: { name: "nginx2-env-dev", revision: 1, product_tmpl: "nginx2", description: "" },
          },
        ],
      ],
      render: { name: "nginx2-env-dev", revision: 1, product_tmpl: "nginx2", description: "" },
      error: "",
      vars: [
        { key: "NginxVersion", value: "", alias: "{{.NginxVersion}}", state: "present", services: ["nginx"] },
        { key: "customer", value: "", alias: "{{.customer}}", state: "present", services: ["nginx"] },
      ],
      isPublic: false,
      roleIds: [],
      recycle_day: 0,
      source: "",
      is_opensource: false,
    },
    createdBy: "admin",
    created_at: 1637726888,
    deleted_at: 0,
  },
  buildInfo: [],
  deployInfo: [
    {
      id: "619dbaa8c528c2182225e8da",
      releaseId: "619dbaa8c528c2182225e8d9",
      serviceName: "nginx/nginx-test",
      containerName: "nginx-test",
      image: "koderover.tencentcloudcr.com/koderover-demo/nginx-test:20211116230712-1-master",
      registry_id: "619dba6ac528c2182225e8d3",
      yamlContents: [
        '---\napiVersion: v1\nkind: Service\nmetadata:\n  name: nginx3\n  labels:\n    app: nginx3\n    tier: backend\n    version: ""\nspec:\n  type: NodePort\n  ports:\n  - port: 80\n  selector:\n    app: nginx3\n    tier: backend\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: nginx3\nspec:\n  replicas: 1\n  selector:\n    matchLabels:\n      app: nginx3\n      tier: backend\n      version: ""\n  template:\n    metadata:\n      labels:\n        app: nginx3\n        tier: backend\n        version: ""\n    spec:\n      containers:\n      - name: nginx-test\n        image: koderover.tencentcloudcr.com/koderover-demo/nginx-test:20211116230712-1-master\n        ports:\n        - containerPort: 80\n        volumeMounts:\n          - name: static-page\n            mountPath: /usr/share/nginx/html\n      volumes:\n        - name: static-page\n          configMap:\n            name: static-page\n---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: nginx-expose\nspec:\n  rules:\n  - host: dev-nginx-expose.app.8slan.com\n    http:\n      paths:\n      - backend:\n          serviceName: nginx\n          servicePort: 80\n        path: /\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: static-page\n  labels:\n    app.kubernetes.io/instance: poetry\n    app.kubernetes.io/name: poetry-portal-config\ndata:\n  index.html: |-\n        <!DOCTYPE html>\n        <html>\n        <head>\n            <meta charset="utf-8" />\n            <meta http-equiv="X-UA-Compatible" content="IE=edge" />\n            <title> - Sliding Perspective</title>\n            <meta name="viewport" content="width=device-width, initial-scale=1" />\n            <style>\n            html,\n            body {\n                width: 100%;\n                height: 100%;\n                margin: 0;\n                background: #00ff00;\n                overflow-y: hidden;\n            }\n\n            .bounce {\n                display: flex;\n                align-items: center;\n                justify-content: center;\n                width: 100%;\n                color: white;\n                height: 100%;\n                font: normal bold 6rem \'Product Sans\', sans-serif;\n                white-space: nowrap;\n            }\n\n            .letter {\n                animation: bounce 0.75s cubic-bezier(0.05, 0, 0.2, 1) infinite alternate;\n                display: inline-block;\n                transform: translate3d(0, 0, 0);\n                margin-top: 0.5em;\n                text-shadow: rgba(255, 255, 255, 0.4) 0 0 0.05em;\n                font: normal 500 6rem \'Varela Round\', sans-serif;\n                color:#fff;\n                color:#1989fa;\n\n            }\n\n            .letter:nth-of-type(1) {\n                animation-delay: -0.083333333s;\n            }\n            .letter:nth-of-type(3) {\n                animation-delay: 0.0833333333s;\n            }\n            .letter:nth-of-type(4) {\n                animation-delay: 0.1666666667s;\n            }\n            .letter:nth-of-type(5) {\n                animation-delay: 0.25s;\n            }\n            .letter:nth-of-type(6) {\n                animation-delay: 0.3333333333s;\n            }\n            .letter:nth-of-type(7) {\n                animation-delay: 0.4166666667s;\n            }\n\n            @keyframes bounce {\n                0% {\n                transform: translate3d(0, 0, 0);\n                text-shadow: rgba(255, 255, 255, 0.4) 0 0 0.05em;\n                }\n                100% {\n                transform: translate3d(0, -1em, 0);\n                text-shadow: rgba(255, 255, 255, 0.4) 0 1em 0.35em;\n                }\n            }\n            </style>\n        </head>\n        <body>\n            <div class="bounce">\n            <span class="letter">K</span><span class="letter"></span><span class="letter">o</span><span class="letter">d</span><span class="letter">e</span><span class="letter">R</span\n            ><span class="letter">o</span><span class="letter">v</span><span class="letter">e</span><span class="letter">r</span>\n            </div>\n        </body>\n        </html>\n',
      ],
      envs: [],
      orderedServices: [["nginx"]],
      start_time: 1637726884,
      end_time: 1637726888,
      created_at: 1637726888,
      deleted_at: 0,
    },
  ],
  testInfo: [],
  distributeInfo: [],
  securityStatsInfo: [],
} as const;

/**
 * The artifact behind the image of the 1.6 document's release: Zadig keeps one for every image it builds, under the
 * reference it pushed. Values are the release's own.
 */
export const nginxArtifact = {
  id: "5d357d6c953ff70001b6367f",
  name: "nginx",
  type: "image",
  source: "workflow",
  image: "regist/customerdockernamespace/nginx:20190722170829-53-master",
  image_tag: "20190722170829-53-master",
  image_digest: "sha256:47b3acc3426fe07850974e63f16d11b02ffbf3bce8737e865608cea70937b762",
  image_size: 44608016,
  architecture: "amd64",
  os: "linux",
  created_by: "koderover",
  created_time: 1563786537,
  activities: [
    {
      artifact_id: "5d357d6c953ff70001b6367f",
      type: "build",
      url: "/v1/projects/detail/koderover-sample/pipelines/multi/koderover-sample/53",
      commits: [
        {
          address: "http://172.16.3.240",
          source: "gitlab",
          repo_owner: "customer-waimai",
          repo_name: "customer-o2o-shop",
          branch: "master",
          commit_id: "7d9b1df316773d33ef7799008267f2b7ae16f6ba",
        },
      ],
      start_time: 1563786512,
      end_time: 1563786536,
      created_by: "koderover",
      created_time: 1563786538,
    },
  ],
} as const;

/** The artifact of the 2.2 document. */
export const picketArtifact = {
  id: "61b84bbcc19ba8cdb184cc53",
  name: "picket",
  type: "image",
  source: "workflow",
  image: "koderover.tencentcloudcr.com/koderover-demo/picket:20211214154446-70-main-pr-736",
  image_tag: "20211214154446-70-main-pr-736",
  image_digest: "sha256:1d9ddf94feb5ff9ca9d76248ad51dd2a95210895d0dbf1e87bd66cc471c41f0e",
  image_size: 22578466,
  architecture: "amd64",
  os: "linux",
  created_by: "user1",
  created_time: 1639467962,
  activities: [
    {
      artifact_id: "61b84bbcc19ba8cdb184cc53",
      type: "build",
      url: "/v1/projects/detail/zadig/pipelines/multi/dev2/70",
      commits: [
        {
          address: "https://github.com",
          source: "github",
          repo_owner: "koderover",
          repo_name: "zadig",
          branch: "main",
          pr: 736,
          commit_id: "4b15c43b012e7a4a901fdcfe33736ad1c3b53f48",
          commit_message: "test",
          author_name: "user1",
        },
      ],
      start_time: 1639467890,
      end_time: 1639467944,
      created_by: "user1",
      created_time: 1639467964,
    },
  ],
  sortedActivities: {
    build: [
      {
        artifact_id: "61b84bbcc19ba8cdb184cc53",
        type: "build",
        url: "/v1/projects/detail/zadig/pipelines/multi/dev2/70",
        commits: [
          {
            address: "https://github.com",
            source: "github",
            repo_owner: "koderover",
            repo_name: "zadig",
            branch: "main",
            pr: 736,
            commit_id: "4b15c43b012e7a4a901fdcfe33736ad1c3b53f48",
            commit_message: "test",
            author_name: "user1",
          },
        ],
        start_time: 1639467890,
        end_time: 1639467944,
        created_by: "user1",
        created_time: 1639467964,
      },
    ],
  },
} as const;
